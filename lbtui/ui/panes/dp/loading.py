"""The data of the DP pane: what a metric needs is read and measured, asked for or ahead, and kept."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import polars as pl
from textual.message import Message

from lbtui.analysis.data_parallel import METRICS, Metric, MetricKey, metric
from lbtui.profile import Profile
from lbtui.profile.schema import empty
from lbtui.render.capabilities import Capabilities
from lbtui.text import with_label
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.filtering import Filtered
from lbtui.ui.kit.pane import PaneProgress
from lbtui.ui.kit.selection import Side
from lbtui.ui.kit.sides import Pair
from lbtui.ui.panes.dp.data import DpData, Measured, dp_data, measure, says_nothing
from lbtui.ui.panes.dp.glance import Glanced, glanced, opening_metric, worst_findings
from lbtui.ui.panes.dp.layout import PARTNERS, DpState
from lbtui.ui.panes.dp.sides import local_state

# Above so many steps or lanes, a key would wait: a worker computes while the last picture stays.
AT_ONCE = 20_000
_LANES_AT_ONCE = 32


@dataclass(frozen=True)
class Prepared:
    """What a worker brings: everything for one metric."""

    data: Pair[DpData]
    measured: Pair[Measured]


def frame_now(profile: Profile, chosen: Metric) -> pl.DataFrame | None:
    """Return the frame of a metric if nothing has to be read for it: loaded, or in no file at all."""
    if not profile.has(chosen.frame):
        return empty(chosen.frame)
    loaded = profile.loaded().get(chosen.frame)
    return None if loaded is None else loaded.frame


class DpMetrics(Filtered):
    """Holds the data of both profiles and the metrics measured of them."""

    @dataclass
    class PartnerMade(Message):
        """A worker has made the metric that stands below the one chosen."""

        of: Pair[DpData]
        key: MetricKey
        measured: Pair[Measured]

    @dataclass
    class RestMeasured(Message):
        """A worker has measured the metrics that were not there yet."""

        of: Pair[DpData]
        measured: dict[MetricKey, Pair[Measured]]

    def __init__(self, profile: Profile, caps: Capabilities, baseline: Profile | None = None) -> None:
        super().__init__(profile, caps, baseline)
        self.state = DpState()  # in the times and domains of after, whichever side is shown
        self._both: Pair[DpData] | None = None
        self._forget()

    def _forget(self) -> None:
        """Forget what was made of data that are shown no more."""
        self._measured: dict[MetricKey, Pair[Measured]] = {}
        self._working: set[Hashable] = set()
        self._measuring = False

    # Loading

    def load(self) -> None:
        """Load; the first time it is the metric that stands out."""
        if self._both is None:
            self.state = replace(self.state, metric=opening_metric(self.lbtui.findings))
        super().load()

    def prepare(self, profile: Profile, progress: PaneProgress) -> Prepared:
        """Return the shared data and the lanes of the metric chosen."""
        both = self._both
        known = Pair[DpData | None](None) if both is None else Pair[DpData | None](both.after, both.before)
        if profile is not self.profile:
            known = replace(known, after=None)
        return self._prepared(profile, metric(self.state.metric), known, progress)

    def _prepared(
        self, profile: Profile, chosen: Metric, known: Pair[DpData | None], progress: PaneProgress | None
    ) -> Prepared:
        data, measured = self._of_profile(profile, known.after, chosen, progress)
        if self.baseline is None:
            return Prepared(Pair(data), Pair(measured))
        before = self._of_profile(self.baseline, known.before, chosen, progress)
        return Prepared(Pair(data, before[0]), Pair(measured, before[1]))

    def _of_profile(
        self, profile: Profile, data: DpData | None, chosen: Metric, progress: PaneProgress | None
    ) -> tuple[DpData, Measured]:
        if data is None:
            steps, batches = profile.load_domain_steps(progress).frame, profile.load("batches").frame
            kv = queues = None
            if steps.is_empty():
                # Without steps the domains and the window can only come from these.
                kv = profile.load("kv", progress).frame
                queues = profile.load("queues", progress).frame
            whole = profile.capture == "all"
            data = dp_data(steps, batches, kv, queues, whole=whole, expected=self.limits.expected)
        of_steps = chosen.frame == "steps"
        frame = data.steps if of_steps else profile.load(chosen.frame, progress).frame
        return data, measure(chosen, data, frame)

    def _measured_now(self, chosen: Metric) -> bool:
        """Have the lanes of a metric, computed now if that is quick; return whether they are there."""
        if self._both is None or chosen.key in self._measured:
            return self._both is not None
        if not (pairs := self._read_of(chosen)):
            return False
        sizes = [size for own, frame in pairs for size in (own.size, frame.height)]
        large = max(sizes) > AT_ONCE or sum(len(own.domains) for own, _frame in pairs) > _LANES_AT_ONCE
        if large and not all(says_nothing(chosen, own, frame) for own, frame in pairs):
            return False
        made = [measure(chosen, own, frame) for own, frame in pairs]
        self._measured[chosen.key] = Pair(*made)
        return True

    def _read_of(self, chosen: Metric) -> list[tuple[DpData, pl.DataFrame]]:
        """Return data and frame of each profile for a metric, nothing where a frame is still to be read."""
        if self._both is None:
            return []
        known = [(self.profile, self._both.after)]
        if self.baseline is not None and self._both.before is not None:
            known.append((self.baseline, self._both.before))
        frames = [(data, frame_now(profile, chosen)) for profile, data in known]
        read = [(data, frame) for data, frame in frames if frame is not None]
        return read if len(read) == len(frames) else []

    def _measure_partner(self, chosen: Metric) -> None:
        if chosen.key in self._working:
            return
        profile, both = self.profile, self._both
        assert both is not None
        known = Pair[DpData | None](both.after, both.before)

        def work() -> None:
            pair = self._prepared(profile, chosen, known, None).measured
            self.post_message(self.PartnerMade(both, chosen.key, pair))

        self._working.add(chosen.key)
        # Why it failed is said when it is asked for.
        in_background(self, work, lambda _why: None, group="dp-partner")

    def on_dp_metrics_partner_made(self, event: PartnerMade) -> None:
        """Show the lanes below those of the metric chosen."""
        if event.of is not self._both:
            return
        self._measured.setdefault(event.key, event.measured)
        self._working.discard(event.key)
        self.repaint()

    # All metrics

    def _measure_rest(self) -> None:
        """Measure all metrics, but of a large profile only once nothing else is to be made."""
        if self._both is not None and self._both.after.size <= AT_ONCE:
            self._measure_all()

    def _measure_all(self) -> None:
        """Measure all metrics whose frames are there: how even they are stands in the state line."""
        if self._measuring:
            return
        todo = [(m, pairs) for m in METRICS if m.key not in self._measured and (pairs := self._read_of(m))]
        if not todo:
            return
        self._measuring = True
        both = self._both
        assert both is not None

        def work() -> None:
            found = {m.key: Pair(*(measure(m, data, frame) for data, frame in pairs)) for m, pairs in todo}
            self.post_message(self.RestMeasured(both, found))

        def failed(_why: str) -> None:
            # Why is said when it is asked for.
            self._measuring = False

        in_background(self, work, failed, group="dp-rest")

    def on_dp_metrics_rest_measured(self, event: RestMeasured) -> None:
        """Keep the metrics for when they are asked for, and show how even they are."""
        event.stop()
        if event.of is not self._both:
            return
        self._measuring = False
        self._measured = {**event.measured, **self._measured}
        self.repaint()

    # What is there

    @property
    def _data(self) -> DpData | None:
        """The data of the side that is shown."""
        return None if self._both is None else self._both.of(self.side)

    def _local(self) -> DpState:
        """Return the state in the times and domains of the side that is shown."""
        return self.state if self._both is None else local_state(self.state, self._both, self.side)

    def _partner_key(self) -> MetricKey | None:
        """Return the metric that is drawn below the one chosen where there is room, None without one."""
        key = PARTNERS.get(self.state.metric)
        if key is None or not self.profile_of(self.side).has(metric(key).frame):
            return None
        pair = self._measured.get(key)
        return key if pair is None or pair.of(self.side).has_values else None

    def _glance(self) -> tuple[Glanced, ...]:
        """Return the metrics that have data, or may have, of the side shown."""
        findings = worst_findings(self.lbtui.findings) if self.side == "after" else {}
        return tuple(
            glanced(m.key, None if pair is None else pair.of(self.side), findings.get(m.key))
            for m in METRICS
            if not self._is_empty(m)
            for pair in (self._measured.get(m.key),)
        )

    def _is_empty(self, chosen: Metric) -> bool:
        """Tell whether it is known that there is nothing to draw of a metric on the side shown."""
        pair, both = self._measured.get(chosen.key), self._both
        if pair is not None or both is None:
            return pair is not None and self._empty_side(pair) is not None
        return any(
            frame is not None and says_nothing(chosen, both.of(side), frame)
            for side in self._sides()
            for frame in (frame_now(self.profile_of(side), chosen),)
        )

    def _sides(self) -> tuple[Side, ...]:
        """Return the profiles of which something is drawn."""
        return ("after", "before") if self.side == "difference" else (self.side,)

    def _empty_side(self, pair: Pair[Measured]) -> Side | None:
        """Return which profile has nothing to draw of what is shown, None if all is there."""
        return next((side for side in self._sides() if not pair.of(side).has_values), None)

    def _notes(self, chosen: Metric, profile: Profile) -> list[str]:
        loaded = profile.loaded().get(chosen.frame)
        return [with_label(note.file, note.text) for note in loaded.notes] if loaded else []
