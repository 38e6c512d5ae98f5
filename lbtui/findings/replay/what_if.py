"""What-if by replay: a profile's service fitted, tested against its recording, and asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from lbtui.analysis.latency import request_table
from lbtui.analysis.replay.asked import USUAL, Answer, Asked, SelfTest
from lbtui.analysis.replay.engine import Router
from lbtui.analysis.replay.fit import Unfit, fitted
from lbtui.analysis.replay.model import Load, Service
from lbtui.analysis.replay.ratio import Ratio, ratio_of
from lbtui.analysis.replay.routing import POLICIES, Policy, router
from lbtui.analysis.slo import Targets, targets_of
from lbtui.findings.evidence import Evidence
from lbtui.findings.latency.traced import Untraced, skewed_hosts
from lbtui.findings.replay.read import recording_of
from lbtui.findings.run import evidence_of
from lbtui.profile import Profile, Progress, attempted
from lbtui.text import _, in_list, visible
from lbtui.thresholds import Thresholds


@dataclass
class Ticks:
    """Tells a progress how many of the things asked are replayed; calling it may raise `Cancelled`."""

    progress: Progress
    done: int = 0
    total: int = 1

    def tell(self, done: int, total: int) -> None:
        """Note how far it is."""
        self.done, self.total = done, total

    def __call__(self) -> None:
        """Tell how far it is."""
        self.progress.advance(_("replay"), self.done, self.total)


@dataclass(frozen=True)
class Prepared:
    """A service ready to be asked; `absent` says why it is not."""

    asked: Asked | None = None
    absent: str = ""
    ticks: Ticks | None = None

    @property
    def test(self) -> SelfTest | None:
        """The self-test, None without a service."""
        return None if self.asked is None else self.asked.self_test

    @property
    def holds(self) -> bool:
        """Whether the service can be asked: its self-test holds."""
        return self.test is not None and self.test.holds


@dataclass(frozen=True)
class PolicyRow:
    """A policy of routing with what it gives; of the recorded assignment its replay."""

    policy: Policy
    answer: Answer
    running: float = 0.0  # requests at once on the fullest domain, for nine in ten first tokens


@dataclass(frozen=True)
class Routing:
    """What other policies of routing would give; `rows` is empty where `absent` says why.

    Where the recording does not show how many requests a domain may run at once, `seen` is the most it had.
    """

    prepared: Prepared
    rows: tuple[PolicyRow, ...] = ()
    absent: str = ""
    seen: float | None = None

    def beyond(self, row: PolicyRow) -> bool:
        """Tell whether a policy would run more requests at once than is known to be possible."""
        return self.seen is not None and row.running > self.seen


@dataclass(frozen=True)
class RatioAnswer:
    """What other numbers of P/D nodes would give; `ratio` is None where `absent` says why."""

    prepared: Prepared
    ratio: Ratio | None = None
    absent: str = ""


def prepared(profile: Profile, limits: Thresholds, progress: Progress | None = None) -> Prepared:
    """Return a profile's service, fitted. Raises `Cancelled` when `progress` does."""
    evidence, failure = attempted(_("the replay"), partial(evidence_of, profile, progress), None)
    if evidence is None:
        return Prepared(absent="" if failure is None else failure.text)
    return prepared_of(evidence, limits, progress)


def prepared_of(
    evidence: Evidence, limits: Thresholds, progress: Progress | None = None, most: int | None = None
) -> Prepared:
    """Return what `prepared` does; of more than `most` requests the first ones are asked."""
    made, failure = attempted(
        _("the replay"), partial(_prepared, evidence, limits, progress, most), Prepared()
    )
    return made if failure is None else Prepared(absent=failure.text)


def _prepared(
    evidence: Evidence, limits: Thresholds, progress: Progress | None, most: int | None
) -> Prepared:
    if evidence.roles and (hosts := skewed_hosts(evidence, limits)):
        text = _("the clocks of {hosts} differ from those of the hosts that they hand requests over with")
        return Prepared(absent=text.format(hosts=in_list(map(visible, hosts))))
    try:
        found = fitted(recording_of(evidence))
    except (Untraced, Unfit) as error:
        return Prepared(absent=str(error) or _("no scheduling round tells which requests it ran"))
    ticks = None if progress is None else Ticks(progress)
    return Prepared(Asked(found.part(most), _targets(evidence, limits), ticks), ticks=ticks)


def _targets(evidence: Evidence, limits: Thresholds) -> Targets:
    """Return the targets that the rest of lbtui judges the run by."""
    return targets_of(
        request_table(evidence.frame("requests"), evidence.frame("speculation")), dict(limits.targets)
    )


def routing_of(made: Prepared, shares: Sequence[float] | None = None) -> Routing:
    """Return what each policy gives; none where the self-test fails. Raises `Cancelled`."""
    asked = made.asked
    if asked is None:
        return Routing(made, absent=made.absent)
    if len(asked.fitted.service.of("decode")) < 2:
        return Routing(made, absent=_("there is one DP domain: nothing to choose among"))
    if not made.holds:
        return Routing(made, absent=_("the replay of the recording itself does not give what was recorded"))
    rows = []
    for policy in _counted(made, POLICIES):
        if policy == "recorded":
            run = asked.baseline
        else:
            run = asked.run(asked.fitted.service, partial(_route, policy, shares))
        rows.append(PolicyRow(policy, asked.answer(run), run.times.running(USUAL)))
    return Routing(made, tuple(rows), seen=asked.seen)


def _counted(made: Prepared, policies: Sequence[Policy]) -> Iterator[Policy]:
    for done, policy in enumerate(policies):
        if made.ticks is not None:
            made.ticks.tell(done, len(policies))
        yield policy


def _route(policy: Policy, shares: Sequence[float] | None, service: Service, load: Load, seed: int) -> Router:
    return router(policy, service, load, seed, shares)


def ratio_answer_of(made: Prepared) -> RatioAnswer:
    """Return what other numbers of P/D nodes give; none where the self-test fails. Raises `Cancelled`."""
    asked = made.asked
    if asked is None:
        return RatioAnswer(made, absent=made.absent)
    if not asked.fitted.service.disaggregated:
        return RatioAnswer(made, absent=_("prefill and decode have no nodes of their own"))
    if not all(domain.node for domain in asked.fitted.service.domains):
        return RatioAnswer(made, absent=_("nothing tells which domains are one of the nodes that are named"))
    if not made.holds:
        return RatioAnswer(
            made, absent=_("the replay of the recording itself does not give what was recorded")
        )
    return RatioAnswer(made, ratio_of(asked, None if made.ticks is None else made.ticks.tell))
