"""The What-if page as rows: settings, before and after, the curve, the layers, the limits."""

from __future__ import annotations

import numpy as np

from lbtui.analysis.eplb.limits import check_words
from lbtui.analysis.eplb.recorded import Recorded
from lbtui.analysis.eplb.what_if import Judged, Point, Replicated, WhatIf
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import bar
from lbtui.render.palette import accent, dim, fraction, severity, strong
from lbtui.render.text import blank, fit, number, row, wrapped
from lbtui.text import _, visible
from lbtui.ui.panes.what_if.state import WhatIfState

KEYS = _("Esc closes  p policy  + - R  r ranks  D nodes  u groups  e MiB  E save  ↑↓")
_COPIES_LINES = 2
_WRAPPED_AWAY = 10  # cells at the end of a line that the next word is too long for
_CHECK_LINES = 2
_BAR_FROM = 44


def what_if_rows(title: str, state: WhatIfState, width: int, height: int, caps: Capabilities) -> list[Row]:
    """Return the page as `height` rows of `width` cells."""
    head = [fit(visible(title), width, caps=caps, style=strong(caps))]
    foot = [fit(KEYS, width, caps=caps, style=dim(caps))]
    if state.said:
        foot.insert(0, fit(state.said, width, caps=caps, style=accent(caps)))
    data, outcome = state.data, state.outcome
    if data is None:
        body = wrapped(state.sentence, width, caps, severity(caps, "warning"))
        return _filled(head, [blank(width), *body], foot, width, height)
    head.append(fit(_settings_words(state, data), width, caps=caps, style=accent(caps)))
    if outcome is None:
        body = [fit(_("computing …"), width, caps=caps, style=dim(caps))]
        return _filled(head, body, foot, width, height)
    if outcome.found is None:
        body = wrapped(outcome.sentence, width, caps, severity(caps, "warning"))
        return _filled(head, [blank(width), *body], foot, width, height)
    found = outcome.found
    head += _judged_rows(found, width, caps)
    head.append(fit(_cost_words(found, data), width, caps=caps))
    if data.check is not None:
        style = severity(caps, "warning") if data.check.fails else None
        head += wrapped(check_words(data.check), width, caps, style)[:_CHECK_LINES]
    head += wrapped(_copies_words(found.replicated, width * _COPIES_LINES), width, caps, None)[:_COPIES_LINES]
    room = height - len(head) - len(foot) - 1
    said = [line for text in outcome.limits for line in wrapped(text, width, caps, dim(caps))]
    said = said[: max(0, min(len(said), room // 3))]
    lists = max(0, room - len(said))
    left = _curve_rows(outcome.points, state, found.held_out.means[0], (width - 2) // 2, lists, caps)
    right = _layer_rows(found, state, width - 2 - (width - 2) // 2, lists, caps)
    body = [row(a, "  ", b, width=width) for a, b in zip(left, right, strict=True)]
    return _filled([*head, blank(width)], [*body, *said], foot, width, height)


def _filled(head: list[Row], body: list[Row], foot: list[Row], width: int, height: int) -> list[Row]:
    rows = [*head, *body][: max(0, height - len(foot))]
    rows += [blank(width)] * (height - len(rows) - len(foot))
    return [*rows, *foot][:height]


def _settings_words(state: WhatIfState, data: Recorded) -> str:
    settings = state.settings
    policy = {
        "in use": _("in use"),
        "global": _("DeepSeek global"),
        "hierarchical": _("DeepSeek hierarchical"),
        "file": _("of the placement file"),
    }[settings.policy]
    parts = [
        _("policy {policy}").format(policy=policy),
        _("{redundant} redundant for {experts} experts").format(
            redundant=settings.redundant, experts=len(data.experts)
        ),
        _("{ranks} ranks").format(ranks=settings.ranks),
    ]
    if settings.policy == "hierarchical":
        parts.append(_("nodes {nodes}, groups {groups}").format(nodes=settings.nodes, groups=settings.groups))
    if settings.expert_mib is None:
        parts.append(_("size unknown"))
    else:
        parts.append(_("{size} MiB an expert").format(size=number(settings.expert_mib)))
    if state.busy:
        parts.append(_("computing …"))
    return " · ".join(parts)


def _judged_rows(found: WhatIf, width: int, caps: Capabilities) -> list[Row]:
    title = _("{name:<21}{mean:>15}{worst:>27}{waiting:>15}").format(
        name="", mean=_("PAR mean"), worst=_("PAR worst layer"), waiting=_("waiting")
    )
    rows = [fit(title, width, caps=caps, style=dim(caps))]
    names = (_("held out"), found.held_out), (_("fitted on"), found.fitted)
    for name, judged in names:
        label = _("{name}, {count} it.").format(name=name, count=number(judged.iterations))
        style = strong(caps) if judged is found.held_out else None
        rows.append(fit(f"{label:<21}{_judged_words(judged, caps)}", width, caps=caps, style=style))
    return rows


def _judged_words(judged: Judged, caps: Capabilities) -> str:
    arrow = glyphs(caps).right
    (before, after), (worst, worst_after), (wait, wait_after) = judged.means, judged.worst, judged.waiting
    mean = f"{before:.2f} {arrow} {after:.2f}"
    worst_words = f"{worst[1]:.2f} ({worst[0]}) {arrow} {worst_after[1]:.2f} ({worst_after[0]})"
    waiting = f"{100 * wait:.0f} % {arrow} {100 * wait_after:.0f} %"
    return f"{mean:>15}{worst_words:>27}{waiting:>15}"


def _cost_words(found: WhatIf, data: Recorded) -> str:
    layers = len(data.in_use)
    slots = _("{slots} slots a rank and layer").format(slots=found.slots_per_rank)
    if found.moved is None:
        return _("{slots} · moves unknown: other ranks than in use").format(slots=slots)
    moved, every = int(found.moved.sum()), int(found.placement.size)
    return _("{slots} · {moved} of {every} experts to move, in {layers} of {all} layers").format(
        slots=slots,
        moved=number(moved),
        every=number(every),
        layers=int((found.moved > 0).sum()),
        all=layers,
    )


def _copies_words(replicated: tuple[Replicated, ...], room: int) -> str:
    """Return which experts get copies, as many as `room` cells of wrapped text hold, and how many more."""
    if not replicated:
        return _("no expert gets copies")
    listed = [
        _("{expert} ({layers} layers)").format(expert=r.expert, layers=r.layers)
        if r.most == 2
        else _("{expert} ({layers} layers, up to {most})").format(
            expert=r.expert, layers=r.layers, most=r.most
        )
        for r in replicated
    ]
    whole = _("copies for {count} experts: {listed}")

    def said(shown: int) -> str:
        rest = len(listed) - shown
        parts = listed[:shown] + ([_("{count} more").format(count=rest)] if rest else [])
        return whole.format(count=len(listed), listed=", ".join(parts))

    fitting = (shown for shown in range(len(listed), 1, -1) if len(said(shown)) <= room - _WRAPPED_AWAY)
    return said(next(fitting, 1))


def _curve_rows(
    points: tuple[Point, ...],
    state: WhatIfState,
    before: float,
    width: int,
    height: int,
    caps: Capabilities,
) -> list[Row]:
    """Return PAR against redundant experts, the number chosen in view and lit; a full bar is as before."""
    title = _("{r:>4}{extra:>8}{mib:>7}{held:>6}{worst:>6}{fitted:>7}").format(
        r=_("R"), extra=_("+a rank"), mib=_("MiB"), held=_("mean"), worst=_("worst"), fitted=_("fitted")
    )
    rows = [
        fit(_("PAR held out by redundant experts R"), width, caps=caps, style=strong(caps)),
        fit(title, width, caps=caps, style=dim(caps)),
    ]
    chosen = next((i for i, p in enumerate(points) if p.redundant == state.settings.redundant), 0)
    room = max(0, height - len(rows))
    first = max(0, min(chosen - room // 2, len(points) - room))
    high = max([before, *(point.held_out[0] for point in points)])
    for place, point in enumerate(points[first : first + room], first):
        memory = "–" if point.mib is None else number(point.mib, 6)
        text = (
            f"{point.redundant:>4}{point.extra_slots:>8.3g}{memory:>7}"
            f"{point.held_out[0]:>6.2f}{point.held_out[1]:>6.2f}{point.fitted[0]:>7.2f} "
        )
        style = accent(caps) if place == chosen else None
        cells = fit(text, min(width, len(text)), caps=caps, style=style)
        part = fraction(point.held_out[0], 1.0, high)
        rows.append(row(cells, bar(part, width - len(text), caps), width=width))
    rows += [blank(width)] * (height - len(rows))
    return rows[:height]


def _layer_rows(found: WhatIf, state: WhatIfState, width: int, height: int, caps: Capabilities) -> list[Row]:
    """Return PAR by layer, held out, the worst before first, from where the user has scrolled to."""
    judged = found.held_out
    order = np.argsort(-np.nan_to_num(judged.before, nan=-np.inf), kind="stable").tolist()
    title = _("{layer:>5}{before:>9}{after:>10}{fitted:>9}").format(
        layer=_("layer"), before=_("before"), after=_("after"), fitted=_("fitted")
    )
    shown = order[state.first : state.first + max(0, height - 2)]
    place = _("{first}–{last} of {count}").format(
        first=state.first + 1, last=state.first + len(shown), count=len(order)
    )
    rows = [
        fit(_("PAR by layer, held out · {place}").format(place=place), width, caps=caps, style=strong(caps)),
        fit(title, width, caps=caps, style=dim(caps)),
    ]
    high = float(np.nanmax(np.fmax(judged.before, judged.after), initial=1.0))
    arrow = glyphs(caps).right
    for layer in shown:
        before, after, fitted = (
            float(values[layer]) for values in (judged.before, judged.after, found.fitted.after)
        )
        text = f"{layer:>5}{_par(before):>9} {arrow} {_par(after):>{8 - len(arrow)}}{_par(fitted):>9} "
        room = width - len(text)
        bars = (
            row(
                bar(fraction(before, 1.0, high), room // 2 - 1, caps), " ",
                bar(fraction(after, 1.0, high), room - room // 2, caps),
                width=room,
            )
            if width >= _BAR_FROM
            else []
        )  # fmt: skip
        rows.append(row(fit(text, min(width, len(text)), caps=caps), bars, width=width))
    rows += [blank(width)] * (height - len(rows))
    return rows[:height]


def _par(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"
