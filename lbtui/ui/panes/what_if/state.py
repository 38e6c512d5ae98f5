"""What-if's settings and results, and what each key changes: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from lbtui.analysis.eplb.limits import limits
from lbtui.analysis.eplb.policies import Impossible
from lbtui.analysis.eplb.price import (
    Evidence,
    Known,
    Service,
    Verdict,
    Worth,
    evidence_for,
    known_of,
    verdict,
)
from lbtui.analysis.eplb.recommended import recommended
from lbtui.analysis.eplb.recorded import Recorded, recorded
from lbtui.analysis.eplb.what_if import (
    MOST_REDUNDANT,
    Point,
    Settings,
    WhatIf,
    curve,
    fitting,
    policies,
    possible,
    start_settings,
    what_if,
)
from lbtui.profile import ExpertSeries, PlacementFile
from lbtui.text import _, visible
from lbtui.thresholds import Offer

Number: TypeAlias = Literal["ranks", "nodes", "groups"]
NOTHING = Settings("global", 0, 1)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the settings give, or the sentence that says why they cannot be."""

    settings: Settings
    found: WhatIf | None
    points: tuple[Point, ...]
    limits: tuple[str, ...]
    sentence: str = ""
    evidence: Evidence | None = None  # of its gain and price; None of the placement in use

    @property
    def verdict(self) -> Verdict | None:
        """Whether it is worth a trial."""
        return None if self.evidence is None else verdict(self.evidence)

    @property
    def recommended(self) -> Point | None:
        """The number of redundant experts that is enough; None of a placement that has its own."""
        return None if self.settings.policy in ("in use", "file") else recommended(self.points)


@dataclass(frozen=True)
class WhatIfState:
    """What is asked, and the last answer; `data` is None where there is nothing to ask about."""

    data: Recorded | None
    settings: Settings
    outcome: Outcome | None = None  # None: not computed yet
    sentence: str = ""  # why there is nothing to ask about
    place: int = 0  # of the cursor among the layers, the worst as it was first
    said: str = ""  # what came of saving the placement shown
    about: Known | None = None

    @property
    def busy(self) -> bool:
        """Tell whether the answer is to other settings than those asked."""
        return self.outcome is None or self.outcome.settings != self.settings


def begin(
    series: Sequence[ExpertSeries],
    file: PlacementFile | None = None,
    service: tuple[Service, Worth] | None = None,
    offer: Offer | None = None,
) -> WhatIfState:
    """Return the first question with its answer: the global policy with the recommended redundant experts.

    Where a placement file is given that fits, the first question is what it brings. With the service, and
    from which gain on a trial is worth it, that is judged too; `offer` is what moving experts takes.
    """
    try:
        data = recorded(series, file)
    except Impossible as error:
        return WhatIfState(None, NOTHING, sentence=str(error))
    given = offer or Offer()
    about = None if service is None else known_of(series, data, *service)
    first = replace(start_settings(data), expert_mib=given.expert_mib, link_gbps=given.link_gbps)
    if data.file is not None:
        first = fitting(data, replace(first, policy="file"))
    state = WhatIfState(data, first, answer(data, first), about=about)
    enough = at_recommended(state)
    return replace(enough, outcome=answer(data, enough.settings, state.outcome, about))


def answer(
    data: Recorded, settings: Settings, known: Outcome | None = None, about: Known | None = None
) -> Outcome:
    """Return what the settings give; some 10 ms a point of the curve for 61 layers of 256 experts.

    The curve is taken from what is `known` where only the number of redundant experts is another. Without
    `about` it is not judged whether a trial is worth it.
    """
    try:
        found = what_if(data, settings)
        # No further than a curve made anew goes: what is shown is of the settings, not of the way to them.
        most = max(MOST_REDUNDANT, settings.redundant)
        points = () if known is None else tuple(p for p in known.points if p.redundant <= most)
        alike = known is not None and replace(known.settings, redundant=settings.redundant) == settings
        if not alike or all(point.redundant != settings.redundant for point in points):
            points = curve(data, settings)
        evidence = None
        if about is not None and settings.policy != "in use":
            evidence = evidence_for(about, found)
        return Outcome(settings, found, points, limits(data, found), evidence=evidence)
    except Impossible as error:
        return Outcome(settings, None, (), (), str(error))


def unanswered(settings: Settings, why: str) -> Outcome:
    """Return that there is no answer, and why."""
    return Outcome(settings, None, (), (), _("This could not be computed: {why}").format(why=why))


def next_policy(state: WhatIfState) -> WhatIfState:
    """Ask for the next policy."""
    if state.data is None:
        return state
    choices = policies(state.data)
    at = choices.index(state.settings.policy)
    chosen = replace(state.settings, policy=choices[(at + 1) % len(choices)])
    return replace(state, settings=fitting(state.data, chosen))


def more_redundant(state: WhatIfState, step: int) -> WhatIfState:
    """Ask for the next larger or smaller number of redundant experts that is possible."""
    if state.data is None:
        return state
    now = state.settings.redundant
    choices = possible(state.data, state.settings, max(now, 0) + 2 * max(1, state.settings.ranks))
    beyond = [n for n in choices if (n > now if step > 0 else n < now)]
    if not beyond:
        return state
    return replace(state, settings=replace(state.settings, redundant=beyond[0] if step > 0 else beyond[-1]))


def at_recommended(state: WhatIfState) -> WhatIfState:
    """Ask for the recommended number of redundant experts, where there is one."""
    point = None if state.busy or state.outcome is None else state.outcome.recommended
    return (
        state
        if point is None
        else replace(state, settings=replace(state.settings, redundant=point.redundant))
    )


def numbers(settings: Settings) -> dict[Number, int]:
    """Return the numbers that can be typed."""
    return {"ranks": settings.ranks, "nodes": settings.nodes, "groups": settings.groups}


def with_number(state: WhatIfState, name: Number, value: int) -> WhatIfState:
    """Ask with another number; other ranks take the next possible number of redundant experts with them."""
    chosen = numbers(state.settings) | {name: value}
    settings = replace(state.settings, ranks=chosen["ranks"], nodes=chosen["nodes"], groups=chosen["groups"])
    if settings.policy in ("in use", "file"):
        settings = replace(settings, policy="global")
    if state.data is not None and name == "ranks":
        settings = fitting(state.data, settings)
    return replace(state, settings=settings)


def with_size(state: WhatIfState, text: str) -> WhatIfState:
    """Ask what an expert of the size typed costs; nothing typed: its size is unknown."""
    mib = float(text) if text.strip() else None
    return replace(state, settings=replace(state.settings, expert_mib=mib))


def with_link(state: WhatIfState, text: str) -> WhatIfState:
    """Ask what moving takes over the link typed; nothing typed: it is unknown."""
    gbps = float(text) if text.strip() else None
    return replace(state, settings=replace(state.settings, link_gbps=gbps))


def to_save(state: WhatIfState) -> WhatIf | None:
    """Return what can be saved: a placement computed for the settings shown, None without one."""
    if state.busy or state.outcome is None or (found := state.outcome.found) is None:
        return None
    return found if found.settings.policy in ("global", "hierarchical") else None


def not_saved(state: WhatIfState) -> WhatIfState:
    """Say why there is nothing to save."""
    return replace(state, said=_("Nothing to save: p chooses a policy that makes a placement."))


def saved(state: WhatIfState, name: str) -> WhatIfState:
    """Say where the placement went."""
    said = _("saved as {file}; shared experts are not in it").format(file=visible(name))
    return replace(state, said=said)


def number_problem(text: str) -> str | None:
    """Return what is wrong with a whole number typed, None if nothing is."""
    if text.strip().isdecimal() and len(text.strip()) < 7:
        return None
    return _("A whole number is needed, e.g. 16.")


def size_problem(text: str) -> str | None:
    """Return what is wrong with a size typed, None if nothing is; empty means unknown."""
    try:
        known = not text.strip() or 0 < float(text) < 1e9
    except ValueError:
        known = False
    return None if known else _("A size in MiB is needed, e.g. 44.5, or nothing.")


def link_problem(text: str) -> str | None:
    """Return what is wrong with a link typed, None if nothing is; empty means unknown."""
    return _("Gbit/s are needed, e.g. 200, or nothing.") if size_problem(text) else None


def changed(before: WhatIfState, after: WhatIfState) -> WhatIfState:
    """Return what is asked now; what was said of saving another placement holds no longer."""
    return after if after.settings == before.settings else replace(after, said="")


def scrolled(state: WhatIfState, by: int) -> WhatIfState:
    """Move along the layers."""
    count = 0 if state.data is None else len(state.data.in_use)
    return replace(state, place=max(0, min(state.place + by, count - 1)), said="")
