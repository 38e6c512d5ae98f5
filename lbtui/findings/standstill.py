"""`dp.stalled` and `dp.idle`: DP domains that take no step, with requests waiting for it or without."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl

from lbtui.analysis.expected import chance_of
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.lanes import Micros
from lbtui.analysis.pauses import Held, Pause, held_in, pauses
from lbtui.analysis.step_account import StepAccount
from lbtui.findings.dispatch import sent_to
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.findings.severity import severity_of
from lbtui.findings.subject import name_of, subject_of
from lbtui.profile import Domain, format_window, instant, micros
from lbtui.text import _, in_percent, in_series
from lbtui.thresholds import Thresholds

_USUAL = 5.0  # × the longest step but one in a hundred is no pause
_WAITED = 0.8  # of the pause, requests must wait or run
_UNWAITED = 0.1  # of an idle domain's pause: its first request waits for its first step
_HEARD = 0.2  # of the pause: a queue last heard of before that is no witness
_CLOCKS = 2.0  # × the difference of clocks is no pause either
_LONG, _LONG_SHARE = 5.0, 0.1  # s, or of the run: from then on it is critical
_RUN = 0.9  # of the window is the whole run


def find_standstills(evidence: Evidence, limits: Thresholds, domains: list[Domain]) -> Iterator[Finding]:
    """Yield the pauses of an instance's domains: also of one that is alone."""
    window = evidence.window
    if window is None:
        return
    scene = _Scene(evidence, limits, domains, micros(window[0]), micros(window[1]))
    waiting = evidence.lanes("waiting", domains)
    running = evidence.lanes("running", domains)
    for lane, domain in enumerate(domains):
        for pause in scene.pauses_of(domain):
            held = held_in(waiting[lane], pause)
            run = held_in(running[lane], pause)
            if _witnessed(held, pause) or (held.most == 0 and _witnessed(run, pause) and run.readings > 1):
                yield _stalled(scene, domain, pause, held, run)
            elif held.share <= _UNWAITED and len(domains) > 1:
                yield from scene.idle(domain, pause)


def standing(evidence: Evidence, limits: Thresholds, findings: Sequence[Finding]) -> set[str]:
    """Return the keys of the domains that stand for a part of the run: no yardstick for the others."""
    window = evidence.window
    seconds = (window[1] - window[0]).total_seconds() if window else 0.0
    keys = set()
    for domain in evidence.domains:
        subject = subject_of(evidence, domain)
        own = [f.cost.value or 0.0 for f in findings if f.subject == subject]
        if own and sum(own) >= limits.dp_idle_share * seconds:
            keys.add(domain.key)
    return keys


def _witnessed(held: Held, pause: Pause) -> bool:
    """Tell whether requests were there for nearly all of a pause, as readings in it say."""
    return held.share >= _WAITED and held.readings > 0 and (held.heard >= _HEARD or not pause.last)


@dataclass(frozen=True)
class _Scene:
    evidence: Evidence
    limits: Thresholds
    domains: list[Domain]
    begin: int
    end: int

    @property
    def seconds(self) -> float:
        return (self.end - self.begin) / 1e6

    @cached_property
    def _account(self) -> StepAccount:
        return self.evidence.accounts[self.domains[0].instance]

    @cached_property
    def _least(self) -> float:
        """How long (µs) a domain of the instance takes no step before that is a pause."""
        longest = float(np.quantile(self._account.duration, 0.99)) * 1000 * _USUAL
        least = max(longest, self.limits.dp_stalled_seconds * 1e6)
        offsets = self.evidence.clock_offsets.get(self.domains[0].instance)
        return max(least, _CLOCKS * (max(offsets.values()) - min(offsets.values()))) if offsets else least

    def pauses_of(self, domain: Domain) -> list[Pause]:
        account = self._account
        if not len(account.lane):
            return []
        own = account.lane == account.domains.index(domain.key)
        begin, end = self.begin, self.end
        if self.evidence.clock_offsets.get(domain.instance):
            # Queues are on the hosts' own clocks.
            begin, end = int(account.start.min()), int(account.end.max())
        return pauses(account.start[own], account.end[own], begin, end, self._least)

    @cached_property
    def _sent(self) -> pl.DataFrame:
        return sent_to(self.evidence, self.domains).sort("start", "domain", maintain_order=True)

    @cached_property
    def _others(self) -> dict[str, tuple[Micros, Floats]]:
        return {}

    def _sent_to_others(self, key: str) -> tuple[Micros, Floats]:
        """Return when requests were sent to the other domains, in order, and how many before each."""
        if key not in self._others:
            theirs = self._sent.filter(pl.col("domain") != key)
            running = np.append(0.0, np.cumsum(theirs["requests"].to_numpy()))
            self._others[key] = theirs["start"].cast(pl.Int64).to_numpy(), running
        return self._others[key]

    def idle(self, domain: Domain, pause: Pause) -> Iterator[Finding]:
        """Yield that nothing came to a domain, if that is no chance while its peers were sent requests.

        (1 − 1 / domains, or less its expected share)^n for the n requests sent to the others meanwhile, times
        the domains and, but for the whole run, the requests at which a pause may begin.
        """
        times, running = self._sent_to_others(domain.key)
        inside = np.searchsorted(times, (pause.begin, pause.end))
        n = float(running[inside[1]] - running[inside[0]])
        total = float(self._sent["requests"].sum())
        if not n:
            return
        # What comes after the last request of all is no idleness.
        last = int(times[-1])
        end = min(pause.end, last) if pause.last else pause.end
        begin = max(pause.begin, int(times[0])) if pause.first else pause.begin
        seconds = (end - begin) / 1e6
        looks = len(self.domains) * (1.0 if pause.first and pause.last else max(total, 1.0))
        shares = self.limits.expected.of_domains(self.domains)
        share = chance_of(self.domains.index(domain), len(self.domains), shares)
        p = min(1.0, looks * math.exp(n * math.log1p(-share)))
        if p > self.limits.p_value or seconds < self.limits.dp_idle_share * self.seconds:
            return
        yield _idle(self, domain, Pause(begin, end, pause.first, pause.last), n, p)


def _window(scene: _Scene, pause: Pause) -> tuple[datetime, datetime] | None:
    if pause.seconds >= _RUN * scene.seconds or (pause.first and pause.last):
        return None
    return instant(pause.begin), instant(pause.end)


def _share(scene: _Scene, pause: Pause) -> float:
    """Return the pause as a share of the time of all domains."""
    return pause.seconds / (scene.seconds * len(scene.domains))


def _cost(scene: _Scene, pause: Pause, said: str) -> Cost:
    share = _share(scene, pause)
    words = _("{seconds:.1f} s of the domain's cards, {share} of the time of all {count} domains").format(
        seconds=pause.seconds, share=in_percent(share, 1), count=len(scene.domains)
    )
    return Cost(pause.seconds, _("s of a domain"), words + said, share, of="domains")


def _when(scene: _Scene, pause: Pause) -> str:
    words = format_window(instant(pause.begin), instant(pause.end), 1, date=scene.evidence.dated)
    if pause.first and pause.last:
        return _("in the whole run")
    begin = words.partition("–")[0]
    if pause.last:
        return _("since {time}").format(time=begin)
    return _("in {window}").format(window=words)


def _stalled(scene: _Scene, domain: Domain, pause: Pause, waiting: Held, running: Held) -> Finding:
    limit = scene.limits.dp_stalled_seconds
    parts = [
        words.format(count=count)
        for words, count in ((_("{count} wait"), waiting.most), (_("{count} run"), running.most))
        if count
    ]
    lasting = pause.last or pause.seconds >= _LONG or pause.seconds >= _LONG_SHARE * scene.seconds
    lost = waiting.request_seconds + running.request_seconds
    return Finding(
        id="dp.stalled",
        severity="critical" if lasting else "warning",
        subject=subject_of(scene.evidence, domain),
        window=_window(scene, pause),
        metric=_("seconds without a step while requests wait or run"),
        value=pause.seconds,
        threshold=limit,
        cost=_cost(scene, pause, _("; {lost:.0f} request-seconds stand still").format(lost=lost)),
        message=_("{domain} takes no step {when}, while up to {held}.").format(
            domain=name_of(domain), when=_when(scene, pause), held=in_series(parts)
        ),
        advice=_(
            "Look at the log and the stack (py-spy dump) of this engine at that time: a collective that one "
            "rank never entered, a dead worker, a deadlock in the scheduler; its peers are not to blame."
        ),
        evidence=_("{steps}: no step; {queues}: waiting and running meanwhile").format(
            steps=scene.evidence.file("steps"), queues=scene.evidence.file("queues")
        ),
    )


def _idle(scene: _Scene, domain: Domain, pause: Pause, n: float, p: float) -> Finding:
    share = pause.seconds / scene.seconds
    limit = scene.limits.dp_idle_share
    what = _("does nothing")
    if pause.first and not pause.last:
        what = _("joins late: it does nothing")
    elif pause.last and not pause.first:
        what = _("is gone: it does nothing")
    return Finding(
        id="dp.idle",
        severity=severity_of(_share(scene, pause), scene.limits, least="info"),
        subject=subject_of(scene.evidence, domain),
        window=_window(scene, pause),
        metric=_("share of the run in which it gets and does nothing"),
        value=share,
        threshold=limit,
        cost=_cost(scene, pause, ""),
        message=_("{domain} {what} {when}, {share} of the run, while its peers get {n:.0f} requests.").format(
            domain=name_of(domain), what=what, when=_when(scene, pause), share=in_percent(share), n=n
        ),
        advice=_(
            "See whether the router knows this domain (registration, health check, its weight), and whether "
            "its process was up at that time."
        ),
        evidence=_("{steps}: no step of the domain").format(steps=scene.evidence.file("steps")),
        p_value=p,
    )
