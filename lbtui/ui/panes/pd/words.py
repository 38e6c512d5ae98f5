"""What the P/D pane says in words: state line, reading lines, the panel of details, the page of one cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from lbtui.analysis.prefill_decode import (
    NodeShare,
    NodeTable,
    node_shares,
    random_dispatch,
    role_chance_par,
    role_par,
)
from lbtui.profile import format_time, format_window
from lbtui.render import palette
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.text import fit, number, padded, row
from lbtui.text import _, in_list, visible
from lbtui.ui.kit.rows import joined, percent, ratio_text
from lbtui.ui.kit.sides import side_chip
from lbtui.ui.panes.pd.lanes import MOST_LINES
from lbtui.ui.panes.pd.layout import Shown, second_digits
from lbtui.ui.panes.pd.state import PdState, count_title, role_word, shown_nodes
from lbtui.ui.panes.pd.ways import way_words

_MOST_REQUESTS = 200


def state_row(shown: Shown, width: int, caps: Capabilities) -> Row:
    """Return the state line: what is counted, which nodes, what a row is, what is lit, the scale."""
    data, placed, state = shown.data, shown.at, shown.state
    chip = side_chip(data.side, caps)
    if data.table is None:
        words = joined([_("hand-offs and KV pulls"), _("whole profile")], width, caps, palette.strong(caps))
        return row(chip, words, width=width)
    only_lower = state.transfers and not placed.upper
    title = _(" hand-offs and KV pulls") if only_lower else f" {count_title(state.count)}"
    rest = width - cell_len(title) - Segment.get_line_length(chip)
    parts = [_("whole profile")] if only_lower else _state_parts(shown)
    return row(
        chip,
        fit(title, min(cell_len(title), width), caps=caps, style=palette.strong(caps)),
        fit(" ·", min(2, max(0, rest)), caps=caps, style=palette.dim(caps)),
        joined(parts, max(0, rest - 2), caps, palette.dim(caps)),
        width=width,
    )


def _state_parts(drawn: Shown) -> list[str]:
    table, state, placed = drawn.table, drawn.state, drawn.at
    grid, shown = placed.grid, len(shown_nodes(table, state))
    parts = [
        _("prefill and decode") if state.role is None else _("{role} only").format(role=role_word(state.role))
    ]
    if state.text:
        parts.append(
            _('filter "{text}": {shown} of {all} nodes').format(
                text=state.text, shown=shown, all=len(table.nodes)
            )
        )
    if state.transfers:
        parts.append(_("hand-offs and KV pulls of the whole profile"))
    if lit := drawn.lit:
        parts.append(
            _("{window} lit, sums and shares of these {bins} bins").format(
                window=format_window(table.times[lit[0]], bin_end(table, lit[1] - 1), date=table.dated),
                bins=lit[1] - lit[0],
            )
        )
    elif drawn.selection.window and drawn.data.events is None:
        parts.append(_("the seconds selected elsewhere lie outside these bins"))
    if state.chart and shown > MOST_LINES:
        parts.append(_("chart: the {shown} busiest").format(shown=MOST_LINES))
    if grid and grid.hidden:
        parts.append(_("{seen} of {shown} nodes in view").format(seen=len(grid.nodes), shown=shown))
    if grid and not state.transfers:
        first = state.first_bin
        parts.append(
            _("1 row = {seconds} s").format(seconds=f"{table.bin_seconds:g}")
            if grid.rows == len(table.times)
            else _("rows {first}–{last} of {all}, {seconds} s each").format(
                first=first + 1,
                last=first + grid.rows,
                all=len(table.times),
                seconds=f"{table.bin_seconds:g}",
            )
        )
    if drawn.data.zoomed:
        digits = second_digits(table)
        begin, end = (
            format_time(time, digits, date=table.dated)
            for time in (table.times[0], bin_end(table, len(table.times) - 1))
        )
        parts.append(f"{begin}–{end}")
    if placed.lanes and len(table.times) > placed.lanes.columns:
        parts.append(
            _("1 column = {bins} bins, their largest").format(
                bins=number(len(table.times) / placed.lanes.columns)
            )
        )
    if state.count == "running":
        parts.append(_("a lower bound: requests from before the capture are unknown"))
    scales = in_list(f"{role_word(role)} 0–{number(peak)}" for role, peak in _peaks(table, state))
    parts.append(_("height {scales}").format(scales=scales))
    parts.append(_("colour: how far above its peers"))
    if not drawn.data.zoomed:
        parts.append(format_window(table.times[0], bin_end(table, len(table.times) - 1)))
    return parts


def _peaks(table: NodeTable, state: PdState) -> list[tuple[str, float]]:
    return [(role, table.peak(state.count, role)) for role in table.roles if state.role in (None, role)]


def bin_end(table: NodeTable, place: int) -> datetime:
    """Return the end of a bin, UTC."""
    return table.times[place] + timedelta(seconds=table.bin_seconds)


@dataclass(frozen=True)
class Cell:
    """One node in one bin, in words."""

    node: str
    role: str
    times: str
    added: str
    ended: str
    running: str
    share: str  # of the bin


def _bin_times(table: NodeTable, bin: int) -> str:
    begin, end = table.times[bin], bin_end(table, bin)
    if table.dated:
        return format_window(begin, end, date=True)
    digits = second_digits(table)
    return f"{format_time(begin, digits)}–{format_time(end, digits)[5:]}"


def cell_words(table: NodeTable, bin: int, node: int) -> Cell:
    """Return what is known about a cell of the table."""
    added, ended, running = (float(table.counts[count][bin, node]) for count in ("added", "ended", "running"))
    written = float(table.written[bin, node])
    text = number(running)
    if math.isnan(running):
        text = _("unknown (the file has no such row)")
    elif table.rebuilt[bin, node]:
        text = _("{running} (~ rebuilt, the file has {written})").format(
            running=text, written=number(written)
        )
    elif bin < table.first_event(node):
        text = _("{running} or more (lower bound: before the node's first event)").format(running=text)
    peers = table.counts["added"][bin, table.of_role(table.nodes[node].role)]
    total = float(peers[peers == peers].sum())
    share = ""
    if total > 0 and not math.isnan(added):
        share = _("{share} of the {total} {role} of this bin").format(
            share=percent(added / total), total=number(total), role=_plural(table.nodes[node].role)
        )
    return Cell(
        table.nodes[node].address,
        role_word(table.nodes[node].role),
        _bin_times(table, bin),
        number(added),
        number(ended),
        text,
        share,
    )


def _share_here(shown: Shown) -> NodeShare:
    """Return totals and share of the cursor's node over the lit bins, the whole run without a window."""
    node = shown.table.nodes[shown.state.node]
    return next(s for s in node_shares(shown.table, *shown.window) if s.node == node)


def _plural(role: str) -> str:
    return {"prefill": _("prefills"), "decode": _("decodes")}.get(role, role)


def reading_rows(shown: Shown, width: int, caps: Capabilities) -> list[Row]:
    """Return what is under the cursor: its cell, then its node."""
    first, second = reading(shown)
    alarm = palette.severity(caps, "critical") if _share_here(shown).stands_out else None
    return [joined(first, width, caps), joined(second, width, caps, alarm)][: shown.at.reading]


def reading(shown: Shown) -> tuple[list[str], list[str]]:
    """Return what is to say of the cursor's cell, and of its node."""
    cell, share = cell_words(shown.table, shown.state.bin, shown.state.node), _share_here(shown)
    first = [
        _("{time} · {node} {role}: {added} added, {ended} ended, {running} running").format(
            time=cell.times.partition("–")[0],
            node=cell.node,
            role=cell.role,
            added=cell.added,
            ended=cell.ended,
            running=cell.running,
        ),
        cell.share,
        *way_words(shown.data.ways, shown.state.bin),
    ]
    second = [
        _("{when}: {share} of {role}, {ratio}× mean").format(
            when=shown.extent,
            share=percent(share.share),
            role=_plural(share.node.role),
            ratio=ratio_text(share.ratio),
        ),
        *_totals(shown, share),
    ]
    return [part for part in first if part], second


def _totals(shown: Shown, share: NodeShare) -> list[str]:
    table, role = shown.table, share.node.role
    first, last = shown.window
    peers = [s for s in node_shares(table, first, last) if s.node.role == role]
    total = sum(s.added for s in peers)
    mean, deviation = random_dispatch(total, share.expected)
    parts = [_("{added} of {total} requests").format(added=number(share.added), total=number(total))]
    if len(peers) > 1 and total:
        parts.append(
            (
                _("expected (config): {mean} ± {range} (2 σ)")
                if table.shares_of(role)
                else _("even dispatch: {mean} ± {range} (2 σ)")
            ).format(mean=number(mean), range=number(2 * deviation))
        )
        parts.append(
            _("{role} PAR {par}, chance alone {chance}").format(
                role=role_word(role),
                par=ratio_text(role_par(table, role, first, last)),
                chance=ratio_text(role_chance_par(table, role, first, last)),
            )
        )
    return parts


def panel_rows(shown: Shown, height: int, caps: Capabilities) -> list[Row]:
    """Return the details at the right: the cell under the cursor, its node, its role."""
    cell, share = cell_words(shown.table, shown.state.bin, shown.state.node), _share_here(shown)
    strong, dim = palette.strong(caps), palette.dim(caps)
    alarm = palette.severity(caps, "critical") if share.stands_out else None
    lines: list[tuple[str, str, Style | None]] = [
        ("", f"{cell.node} {cell.role}", palette.selected(caps)),
        ("", cell.times, dim),
        (_("added"), cell.added, None),
        ("", cell.share, dim),
        (_("ended"), cell.ended, None),
        (_("running"), cell.running, None),
        *(("", words, None) for words in way_words(shown.data.ways, shown.state.bin)),
        ("", "", None),
        ("", shown.extent, strong),
        (
            _("share"),
            _("{share} of {role}, {ratio}× mean").format(
                share=percent(share.share), role=_plural(share.node.role), ratio=ratio_text(share.ratio)
            ),
            alarm,
        ),
        *(("", part, None) for part in _totals(shown, share)),
        (_("running"), _("at most {peak}").format(peak=number(share.peak_running)), None),
    ]
    label, width = 9, shown.at.panel
    return [
        row(
            fit(name, label, caps=caps, style=dim) if name else [],
            fit(text, width - (label if name else 0), caps=caps, style=style),
            width=width,
        )
        for name, text, style in lines
    ][:height]


def cell_page(shown: Shown) -> tuple[str, Text]:
    """Return title and text of the page of the cell under the cursor, with the requests of its bin."""
    cell, share = cell_words(shown.table, shown.state.bin, shown.state.node), _share_here(shown)
    text = Text()
    text.append(_("In this bin") + "\n", style="bold")
    for name, value in ((_("added"), cell.added), (_("ended"), cell.ended), (_("running"), cell.running)):
        text.append(f"  {padded(name, 9)}{value}\n")
    if cell.share:
        text.append(f"  {cell.share}\n")
    text.append(
        "\n" + _("The node over: {extent}").format(extent=shown.extent) + "\n",
        style="bold",
    )
    text.append(
        "  "
        + _("{share} of {role}, {ratio}× mean of its role's nodes").format(
            share=percent(share.share), role=_plural(share.node.role), ratio=ratio_text(share.ratio)
        )
        + "\n"
    )
    for part in _totals(shown, share):
        text.append(f"  {part}\n")
    text.append("  " + _("at most {peak} running").format(peak=number(share.peak_running)) + "\n")
    table, bin = shown.table, shown.state.bin
    _append_requests(text, shown.data.handoffs, table.times[bin], bin_end(table, bin), date=table.dated)
    title = f"{visible(cell.node)} {visible(cell.role)} · {cell.times}"
    return title, Text(visible_lines(text.plain), spans=text.spans)


def visible_lines(text: str) -> str:
    """Return text from files made harmless line by line: the line breaks are our own."""
    return "\n".join(visible(line) for line in text.split("\n"))


def _append_requests(
    text: Text, handoffs: pl.DataFrame, start: datetime, end: datetime, *, date: bool
) -> None:
    if handoffs.is_empty():
        return
    found = handoffs.filter(pl.col("arrival").is_between(start, end, closed="left"))
    text.append(
        "\n"
        + _("{count} requests arrived in this bin (at any node: no file says at which)").format(
            count=number(found.height)
        )
        + "\n",
        style="bold",
    )
    for rid, arrival, prefill_done, done in (
        found.head(_MOST_REQUESTS).select("request_id", "arrival", "prefill_done", "end").iter_rows()
    ):
        text.append(
            _("  {time}  {id}  prefill done after {prefill} ms, end after {end} ms").format(
                time=format_time(arrival, date=date),
                id=visible(str(rid), 60),
                prefill=number(_milliseconds(arrival, prefill_done)),
                end=number(_milliseconds(arrival, done)),
            )
            + "\n"
        )
    if found.height > _MOST_REQUESTS:
        text.append(_("  … and {more} more").format(more=number(found.height - _MOST_REQUESTS)) + "\n")


def _milliseconds(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else (end - start) / timedelta(milliseconds=1)
