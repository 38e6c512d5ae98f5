"""What-if as rows: what is asked, the conclusion, before and after, the curve, the layers, the limits."""

from __future__ import annotations

import numpy as np
from rich.style import Style

from lbtui.analysis.eplb.recorded import Recorded
from lbtui.analysis.eplb.what_if import WhatIf
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.palette import accent, dim, severity, strong
from lbtui.render.table import first_visible
from lbtui.render.text import blank, fit, padded, plain, right, row, wrapped
from lbtui.text import _, visible
from lbtui.ui.panes.what_if.lists import HEAD, curve_rows, layer_rows
from lbtui.ui.panes.what_if.state import Outcome, WhatIfState
from lbtui.ui.panes.what_if.words import (
    conclusion,
    copies_words,
    cost_words,
    judged_words,
    reading_words,
    settings_words,
    verdict_details,
    verdict_said,
)

_COPIES_LINES = 2
_VERDICT_LINES = 4
_ROWS_A_VERDICT_LINE = 7
_WRAPPED_AWAY = 10  # cells at the end of a line that the next word is too long for
# Titles and so many rows of the lists come before copies and limits.
_LEAST_LISTS = 6
# From here on a blank line parts them from what is above.
_ROOMY_LISTS = 8


def what_if_rows(title: str, state: WhatIfState, canvas: Canvas) -> list[Row]:
    """Return the pane as rows that fill the canvas."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    head = [fit(visible(title), width, caps=caps, style=strong(caps))]
    data, outcome = state.data, state.outcome
    if data is not None:
        head.append(fit(settings_words(state, data), width, caps=caps, style=accent(caps)))
    if data is None or outcome is None or outcome.found is None:
        why = state.sentence if data is None or outcome is None else outcome.sentence
        return _filled(
            [*head, blank(width), *wrapped(why, width, caps, severity(caps, "warning"))], [], canvas
        )
    found = outcome.found
    for place, (text, level) in enumerate(conclusion(data, outcome, found)):
        style = strong(caps) if place == 0 else None
        head += wrapped(text, width, caps, style if level is None else severity(caps, level))
    order = _order(found)
    place = min(state.place, len(order) - 1)
    reading = fit(reading_words(found, order[place], glyphs(caps)), width, caps=caps)
    if state.said:
        reading = fit(state.said, width, caps=caps, style=accent(caps))
    foot = [*_verdict_rows(outcome, canvas), reading]
    below = _around(outcome, data, found, canvas, height - len(head) - len(foot))
    lists = height - len(head) - len(foot) - sum(len(rows) for rows in below)
    between = [blank(width)] if lists > _ROOMY_LISTS else []
    lists -= len(between)
    half = (width - 2) // 2
    left = curve_rows(data, outcome, found, canvas.sized(half, lists))
    first = first_visible(place, 0, max(1, lists - HEAD), len(order))
    right = layer_rows(found, order, (first, place), canvas.sized(width - 2 - half, lists))
    beside = [row(a, "  ", b, width=width) for a, b in zip(left, right, strict=True)]
    above, under = below
    return _filled([*head, *above, *between, *beside, *under], foot, canvas)


def _order(found: WhatIf) -> list[int]:
    """Return the layers, the least even in use first."""
    return list(np.argsort(-np.nan_to_num(found.held_out.before, nan=-np.inf), kind="stable").tolist())


def copied_text(state: WhatIfState, caps: Capabilities) -> str:
    """Return the settings, and the layer under the cursor under them, in one line for the clipboard."""
    data, outcome = state.data, state.outcome
    if data is None or outcome is None or outcome.found is None:
        return ""
    order = _order(outcome.found)
    layer = order[min(state.place, len(order) - 1)]
    return " · ".join((settings_words(state, data), reading_words(outcome.found, layer, glyphs(caps))))


def _filled(rows: list[Row], foot: list[Row], canvas: Canvas) -> list[Row]:
    width, height = canvas.width, canvas.height
    rows = rows[: max(0, height - len(foot))]
    rows += [blank(width)] * (height - len(rows) - len(foot))
    return [*rows, *foot][:height]


def _around(
    outcome: Outcome, data: Recorded, found: WhatIf, canvas: Canvas, room: int
) -> tuple[list[Row], list[Row]]:
    """Return what stands above and under the lists, as much as leaves these their room."""
    width, caps = canvas.width, canvas.caps
    spare = room - _LEAST_LISTS
    words = copies_words(found.replicated, width * _COPIES_LINES - _WRAPPED_AWAY)
    above: list[Row] = []
    # What matters least comes last; the conclusion has the first of it already.
    for rows in (
        _judged_rows(found, canvas),
        [fit(cost_words(found, data), width, caps=caps)],
        wrapped(words, width, caps, None)[:_COPIES_LINES],
    ):
        if len(above) + len(rows) > spare:
            break
        above += rows
    spare -= len(above)
    if above and spare > len(above):
        above.insert(0, blank(width))
        spare -= 1
    texts = (*verdict_details(outcome), *outcome.limits)
    limits: list[Row] = []
    for text in texts:
        lines = wrapped(text, width, caps, dim(caps))
        if len(limits) + len(lines) > spare // 2:
            break
        limits += lines
    return above, limits


def _verdict_rows(outcome: Outcome, canvas: Canvas) -> list[Row]:
    """Return whether a trial is worth it, cut short on a low screen: `i` has all of it."""
    said = verdict_said(outcome)
    if said is None:
        return []
    width, caps = canvas.width, canvas.caps
    style = strong(caps) if said[1] is None else severity(caps, said[1])
    rows = wrapped(said[0], width, caps, style)
    most = max(1, min(_VERDICT_LINES, canvas.height // _ROWS_A_VERDICT_LINE))
    if len(rows) <= most:
        return rows
    rest = " ".join(plain([line]).strip() for line in rows[most - 1 :])
    return [*rows[: most - 1], fit(rest, width, caps=caps, style=style)]


def _judged_rows(found: WhatIf, canvas: Canvas) -> list[Row]:
    caps = canvas.caps
    titles = (_("half (iterations)"), _("PAR mean"), _("PAR worst (layer)"), _("waiting"))
    rows = [_figures(titles, canvas, dim(caps))]
    for name, judged in ((_("held out"), found.held_out), (_("fitted on"), found.fitted)):
        label = _("{half} ({count})").format(half=name, count=judged.iterations)
        style = strong(caps) if judged is found.held_out else None
        rows.append(_figures((label, *judged_words(judged, glyphs(caps))), canvas, style))
    return rows


def _figures(cells: tuple[str, str, str, str], canvas: Canvas, style: Style | None) -> Row:
    label, mean, worst, waiting = cells
    text = padded(label, 17) + right(mean, 15) + right(worst, 24) + right(waiting, 13)
    return fit(text, canvas.width, caps=canvas.caps, style=style)
