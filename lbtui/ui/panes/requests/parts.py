"""Where the time of a request went: its largest part in the table, all of them as a bar and on its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from lbtui.analysis.latency_parts import PART_LABELS, PARTS, PartName
from lbtui.findings.latency.told import Told
from lbtui.findings.latency.words import PART_SHORT, part_words, scope_sentence, time_words
from lbtui.findings.words import percent
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import shades
from lbtui.render.palette import dim, series
from lbtui.render.text import fit, printable, row
from lbtui.text import _

LARGEST = "largest_part"
# Which colour of a series each part has: those of one life differ.
_COLOURS: Mapping[PartName, int] = {
    "prefill_wait": 0,
    "prefill": 1,
    "decode": 2,
    "compute_or_lockstep": 2,
    "lockstep": 3,
    "held_by_prefills": 4,
    "handoff_wait": 4,
    "handoff": 4,
    "preempted": 5,
    "gaps": 6,
    "first_decode_wait": 7,
    "pull": 1,
}
_LABEL = 10  # cells, as before the lanes
_BARS = (20, 30, 48)


@dataclass(frozen=True)
class Piece:
    """One part of a request's life at one place, ms; `before` is up to its first token."""

    part: PartName
    where: str | None
    ms: float
    before: float


def largest_parts(told: Told) -> pl.Series:
    """Return the largest part of each request of the table with its share; null where none is known."""
    latency = told.latency
    sums = latency.parts.group_by("request", "part").agg(pl.col("total").sum())
    first = (
        sums.with_columns(share=pl.col("total") / pl.col("total").sum().over("request"))
        .sort("request", "total", "part", descending=[False, True, False])
        .unique("request", keep="first", maintain_order=True)
        .join(latency.lives.select("request", "row"), on="request")
    )
    words = [
        _("{part} {percent}").format(part=PART_SHORT[part], percent=percent(share))
        for part, share in first.select("part", "share").iter_rows()
    ]
    known = first.select("row").with_columns(pl.Series(LARGEST, words, pl.String))
    rows = pl.DataFrame({"row": pl.int_range(told.table.height, dtype=pl.UInt32, eager=True)})
    return rows.join(known, on="row", how="left", maintain_order="left")[LARGEST]


def pieces_of(told: Told, place: int) -> list[Piece]:
    """Return the parts of the request at a row of the table, in the order of `PARTS`; empty where unknown."""
    latency = told.latency
    own = latency.lives.filter(pl.col("row") == place)
    if own.is_empty():
        return []
    request = own["request"][0]
    low, high = (latency.parts["request"].search_sorted(request, side) for side in ("left", "right"))
    found = latency.parts[low:high].sort("part", "place")
    return [
        Piece(part, None if key is None else told.where(key), total / 1000, before / 1000)
        for _request, part, key, before, total in found.iter_rows()
    ]


def parts_row(told: Told | None, place: int | None, canvas: Canvas) -> Row:
    """Return a bar of where the time of a request went, and its largest parts in words."""
    width, caps = canvas.width, canvas.caps
    label = fit(" " + _("time"), min(_LABEL, width), caps=caps, style=dim(caps))
    if told is None:
        said = fit(_("looking where the time went …"), max(width - _LABEL, 0), caps=caps, style=dim(caps))
        return row(label, said, width=width)
    pieces = [] if place is None else pieces_of(told, place)
    if not pieces:
        why = told.latency.absent or _("not known: it is not recorded from its arrival to its end")
        said = fit(why if place is not None else "", max(width - _LABEL, 0), caps=caps, style=dim(caps))
        return row(label, said, width=width)
    sums = _sums(pieces)
    whole = sum(sums.values())
    bar = next((size for size in reversed(_BARS) if size <= (width - _LABEL) // 2), 0)
    cells: list[Segment] = []
    done, drawn = 0.0, 0
    ramp = shades(caps)
    for part, ms in sums.items():
        done += ms
        size = round(done / whole * bar) - drawn
        drawn += size
        ink = ramp[-1 - PARTS.index(part) % (len(ramp) - 1)] if caps.colors == "none" else ramp[-1]
        cells.append(Segment(ink * size, _style(caps, part)))
    return row(label, cells, " ", _legend(sums, max(width - _LABEL - bar - 1, 0), caps), width=width)


def _legend(sums: Mapping[PartName, float], room: int, caps: Capabilities) -> Row:
    """Return the parts in words of their colours, the longest first, as many as have room."""
    whole = sum(sums.values())
    drawn: list[Segment] = []
    for part, ms in sorted(sums.items(), key=lambda item: -item[1]):
        words = _("{part} {time} {percent}").format(
            part=PART_SHORT[part], time=time_words(ms), percent=percent(ms / whole)
        )
        said = printable(words if not drawn else f" · {words}", caps)
        room -= cell_len(said)
        if room < 0:
            break
        drawn.append(Segment(said, _style(caps, part)))
    return drawn


def _style(caps: Capabilities, part: PartName) -> Style:
    return series(caps, _COLOURS[part]) if part in _COLOURS else dim(caps)


def _sums(pieces: list[Piece]) -> dict[PartName, float]:
    sums: dict[PartName, float] = {}
    for piece in pieces:
        sums[piece.part] = sums.get(piece.part, 0.0) + piece.ms
    return sums


def facts_of(told: Told, place: int) -> list[tuple[str, str]]:
    """Return the parts of a request as pairs of name and value, the longest first."""
    pieces = pieces_of(told, place)
    whole = sum(piece.ms for piece in pieces)
    facts = []
    for piece in sorted(pieces, key=lambda one: -one.ms):
        value = f"{piece.ms:,.3f} ms  {percent(piece.ms / whole)}"
        if piece.before and piece.ms - piece.before > _SAME:
            value += "  " + _("{ms} ms of it before the first token").format(ms=f"{piece.before:,.3f}")
        if piece.where is not None:
            value += f"  {part_words(piece.part, piece.where)}"
        facts.append((PART_LABELS[piece.part], value))
    return facts or [(_("not known"), scope_sentence(told))]


_SAME = 0.0005  # ms
