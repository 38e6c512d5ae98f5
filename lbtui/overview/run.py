"""The Overview: what a profile is and what stands out per dimension, growing as its frames arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import polars as pl

from lbtui.analysis.data_parallel import domains_of
from lbtui.analysis.expert_parallel import phases_apart
from lbtui.analysis.placement import placed
from lbtui.overview.domains import Scope, reading_lines, step_lines
from lbtui.overview.experts import expert_lines, layer_time_lines
from lbtui.overview.hand_offs import hand_off_lines
from lbtui.overview.model import Experts, Frames, Line, NodeName, Overview, Source
from lbtui.overview.nodes import node_lines
from lbtui.overview.placements import shape_of
from lbtui.overview.requests import request_lines
from lbtui.overview.summaries import beside_own, differing
from lbtui.overview.waits import waiting_lines
from lbtui.profile import (
    ZONE_OFFSET,
    FrameName,
    Loaded,
    Note,
    Profile,
    Progress,
    SourceFile,
    attempted,
    empty,
    format_window,
    instant,
)
from lbtui.profile.place import Times, Window, times_of, window_of_times
from lbtui.text import _, in_clauses, in_list, plural, visible, with_label
from lbtui.thresholds import Expected


@dataclass(frozen=True)
class _Part:
    """Frames that are read together, and the lines that they yield."""

    frames: tuple[FrameName, ...]
    draw: Callable[[Frames, Overview], list[Line]]
    expected: tuple[Line, ...]  # what stands for the lines until they are there
    over_time: bool = True  # whether the lines change with the window and the domains known


def _window_of(known: Overview) -> Window:
    return known.window or (0, 1)


def _scope_of(known: Overview) -> Scope:
    return Scope(known.domains, _window_of(known), known.expected)


# In the order of the screen; the most telling comes first.
_PARTS: tuple[_Part, ...] = (
    _Part(
        ("steps", "batches"),
        lambda frames, known: [
            *step_lines(frames, _scope_of(known)),
            *waiting_lines(frames, _window_of(known)),
        ],
        (Line("dp.batch_size", "dp", _("DP batch")), Line("dp.tokens", "dp", _("DP tokens"))),
    ),
    _Part(
        ("kv",),
        lambda frames, known: reading_lines("kv", frames, _scope_of(known)),
        (Line("kv.kv_usage", "kv", _("KV used")),),
    ),
    _Part(
        ("queues",),
        lambda frames, known: reading_lines("queues", frames, _scope_of(known)),
        (Line("dp.waiting", "dp", _("Waiting")),),
    ),
    _Part(
        ("nodes",),
        lambda frames, known: node_lines(frames["nodes"], _scope_of(known)),
        (Line("pd.added", "pd", _("P/D added")),),
    ),
    _Part(
        ("transfers", "handoffs"),
        lambda frames, known: hand_off_lines(frames["transfers"], frames["handoffs"], _window_of(known)),
        (),
    ),
    _Part(
        ("requests",),
        lambda frames, known: request_lines(frames["requests"], _window_of(known)),
        (Line("requests.ttft", "requests", _("TTFT")),),
    ),
    _Part(
        ("expert_heat", "placements"),
        lambda frames, known: expert_lines(frames["expert_heat"], frames["placements"]),
        (Line("ep.rank_load", "ep", _("Experts")),),
        over_time=False,
    ),
    _Part(
        ("layer_times",),
        lambda frames, known: layer_time_lines(frames["layer_times"]),
        (),
        over_time=False,
    ),
    _Part(("rank_intervals", "speculation"), lambda frames, known: [], ()),
)


def overviews(
    profile: Profile, progress: Progress | None = None, expected: Expected | None = None
) -> Iterator[Overview]:
    """Yield the overview as it grows: first of names and sizes only, last complete (`reading` is empty).

    What chance gives is that of domains and nodes which are to carry the `expected` shares. Reads the
    profile's frames one part after the other. A frame that cannot be made is a note and the rest goes on;
    `Cancelled` passes through.
    """
    shares = expected or Expected()
    failed: list[Note] = []
    frames: dict[FrameName, pl.DataFrame] = {}
    times: dict[FrameName, Times] = {}
    drawn: list[tuple[Overview, list[Line]]] = []

    def now(reading: str = "") -> Overview:
        return replace(_known(profile, frames, times, failed, reading), expected=shares)

    for number, part in enumerate(_PARTS):
        known = now(in_list(part.frames))
        to_come = [line for later in _PARTS[number:] for line in later.expected]
        yield replace(known, lines=(*(line for _known_then, lines in drawn for line in lines), *to_come))
        for name in part.frames:
            frames[name] = _load(profile, name, progress, failed)
            times[name] = times_of(name, frames[name])
        known = now()
        drawn.append((known, _lines(part, frames, known, _why(profile, part, frames, failed))))
    known = now()
    lines: list[Line] = []
    for part, (then, kept) in zip(_PARTS, drawn, strict=True):
        # Later frames may have widened the window or brought domains.
        same = not part.over_time or (then.window, then.domains) == (known.window, known.domains)
        lines += kept if same else _lines(part, frames, known, _why(profile, part, frames, failed))
    summaries = beside_own(profile.summaries(), frames)
    notes = tuple(dict.fromkeys([*known.notes, *differing(summaries)]))
    yield replace(
        known, lines=tuple(lines), notes=notes, summaries=summaries, captures=profile.captures(progress)
    )


def _why(profile: Profile, part: _Part, frames: Frames, failed: Sequence[Note]) -> str:
    """Return why a part has no rows although there are files for it; empty where there are none."""
    why = next((note.text for note in failed if note.file in part.frames), "")
    missing = [profile.missing_of(name) for name in part.frames[:1] if frames[name].is_empty()]
    return why or next((m.reason for m in missing if m.status != "not_recorded"), "")


def _lines(part: _Part, frames: Frames, known: Overview, why: str) -> list[Line]:
    return [replace(line, absent=why) if why and line.absent else line for line in part.draw(frames, known)]


def overview(
    profile: Profile, progress: Progress | None = None, expected: Expected | None = None
) -> Overview:
    """Return the complete overview of a profile (`overviews`)."""
    *_growing, complete = overviews(profile, progress, expected)
    return complete


def _load(profile: Profile, name: FrameName, progress: Progress | None, failed: list[Note]) -> pl.DataFrame:
    load = profile.load_domain_steps if name == "steps" else partial(profile.load, name)
    loaded, failure = attempted(name, partial(load, progress), Loaded(empty(name)))
    failed += [] if failure is None else [failure]
    return loaded.frame


def _known(
    profile: Profile,
    frames: Frames,
    times: Mapping[FrameName, Times],
    failed: Sequence[Note],
    reading: str,
) -> Overview:
    """Return the overview without its lines."""
    loaded = {name: kept for name, kept in profile.loaded().items() if name in frames}
    notes = tuple(
        dict.fromkeys(
            [
                *profile.notes,
                *profile.cuts,
                *(note for kept in loaded.values() for note in kept.notes),
                *failed,
            ]
        )
    )
    return Overview(
        name=visible(profile.name),
        path=visible(str(profile.path)),
        hosts=_hosts(frames),
        window=window_of_times(times, whole=profile.capture == "all"),
        domains=tuple(domains_of(*_with_domains(frames))),
        nodes=_nodes(frames),
        experts=_experts(frames),
        sources=tuple(
            _source(file, loaded, notes, reading=bool(reading), elsewhere=_elsewhere(profile, file, loaded))
            for file in _files(profile, loaded)
        ),
        missing=() if reading else profile.missing(),
        notes=notes,
        reading=reading,
        near=profile.near,
        unparsed=in_clauses(profile.unparsed or ()),
        how_to_parse=profile.unparsed[1] if profile.unparsed else "",
    )


def _elsewhere(profile: Profile, file: SourceFile, loaded: Mapping[FrameName, Loaded]) -> tuple[int, int]:
    """Return how many of the frames that a file may tell have rows, and how many frames these are."""
    told = [name for name, files in profile.holders.items() if file in files]
    return sum(name in loaded and not loaded[name].frame.is_empty() for name in told), len(told)


def _with_domains(frames: Frames) -> list[pl.DataFrame]:
    owned: tuple[FrameName, ...] = ("steps", "batches", "kv", "queues")
    return [frames[name] for name in owned if name in frames]


def _hosts(frames: Frames) -> tuple[str, ...]:
    names = {
        host
        for frame in _with_domains(frames)
        for host in frame["host"].unique().to_list()
        if host is not None
    }
    return tuple(sorted(names))


def _nodes(frames: Frames) -> tuple[NodeName, ...]:
    if "nodes" not in frames:
        return ()
    rows = (
        frames["nodes"].select("address", "role").unique().sort("role", "address", descending=[True, False])
    )
    return tuple(NodeName(address, role) for address, role in rows.iter_rows())


def _experts(frames: Frames) -> tuple[Experts, ...]:
    """Return the shapes that expert heat has; without any, those of placements."""
    if "expert_heat" not in frames or "placements" not in frames:
        return ()
    shapes = expert_shapes(frames["expert_heat"])
    return shapes or tuple(shape_of(each) for each in placed(frames["placements"]))


def expert_shapes(heat: pl.DataFrame) -> tuple[Experts, ...]:
    """Return the shape of each instance's experts in the `expert_heat` frame."""
    of_rank_map = pl.when(pl.col("view") == "rank").then(pl.col("column"))
    of_slots = pl.when(pl.col("view") == "expert")
    rows = (
        phases_apart(heat)
        .group_by("instance")
        .agg(
            pl.col("period").n_unique(),
            pl.col("layer").max() + 1,
            pl.max_horizontal(of_rank_map.max(), of_slots.then(pl.col("rank")).max()) + 1,
            of_slots.then(pl.col("slot")).max() + 1,
            pl.when(pl.col("view") == "model_expert").then(pl.col("expert")).max() + 1,
        )
        .sort("instance")
    )
    return tuple(Experts(*row) for row in rows.iter_rows())


def _files(profile: Profile, loaded: Mapping[FrameName, Loaded]) -> list[SourceFile]:
    """Return the profile's files, and those read though they lie elsewhere: a raw profile near it."""
    found = [part for kept in loaded.values() for p in kept.provenance for part, _rows in p.parts]
    return list(dict.fromkeys([*profile.files, *found]))


def _source(
    file: SourceFile,
    loaded: Mapping[FrameName, Loaded],
    notes: Sequence[Note],
    *,
    reading: bool,
    elsewhere: tuple[int, int],
) -> Source:
    name = visible(file.path.name)
    rows: dict[str, int] = {}
    precision = ""
    for kept in loaded.values():
        here = {p.file: p for p in kept.provenance if p.file.split(":")[0] == name}
        for table, provenance in here.items():
            # Several frames are made of one table; a trace holds each frame's rows apart.
            rows[table] = (
                rows.get(table, 0) + provenance.rows
                if provenance.reader == "trace"
                else max(rows.get(table, 0), provenance.rows)
            )
            precision = precision or provenance.precision
        for provenance in kept.provenance:
            for part, count in provenance.parts:
                if part == file:
                    rows[provenance.file] = count
                    precision = precision or provenance.precision
    own = [note for note in notes if note.file.split(":")[0] == name]
    lost = next((note.text for note in own if note.lost), "")
    if sum(rows.values()):
        return Source(file, sum(rows.values()), precision, "partly" if lost else "read", lost)
    if reading:
        return Source(file, None, "", "waiting")
    if rows:
        return Source(file, 0, precision, "read", own[0].text if own else _("it has no rows"))
    if lost:
        foreign = any(note.verdict == "other run" for note in own)
        return Source(file, None, "", "other run" if foreign else "unreadable", lost)
    if file.kind == "summary":
        return Source(file, None, "", "read", _("its figures stand beside those of the tables"))
    if own:  # such as a large trace beside tables
        return Source(file, None, "", "not needed", own[0].text)
    known, told = elsewhere
    if file.reader == "not read":
        why = _("a picture of numbers that a table holds")
    elif not known:
        return Source(file, 0, "", "read", _("nothing in it is of use here"))
    else:
        more = known < told
        why = _("what it tells is in the other files") if more else _("a more precise file holds the same")
    return Source(file, None, "", "not needed", why)


def identity(known: Overview) -> str:
    """Return the profile in one line: hosts, window and zone, the shape of DP, P/D and EP."""
    parts = [known.name]
    if known.hosts:
        parts.append(
            plural("1 host", "{count} hosts", len(known.hosts)) if len(known.hosts) > 1 else known.hosts[0]
        )
    if known.window:
        parts.append(f"{when(known.window)} {ZONE_OFFSET}{capture_words(known)}")
    return " · ".join([*parts, *shapes(known)])


def unjudged(known: Overview) -> list[str]:
    """Return a text per line of load that has no values, with the reason."""
    return [
        with_label(line.label, _("not judged, {why}").format(why=line.absent))
        for line in known.lines
        if not line.values and line.dimension != "requests"
    ]


def when(window: Window, *, date: bool = True) -> str:
    """Return a window as wall-clock text of the files' zone, to the second; both dates where they differ."""
    begin, end = window
    return format_window(instant(begin), instant(end), date=date)


def capture_words(known: Overview) -> str:
    """Return which of several captures is shown, and when the others are; empty where there is one."""
    captures = known.captures
    if captures is None or not captures.others:
        return ""
    others = in_list(when((part.begin, part.end)) for part in captures.others)
    return _(" (capture {number} of {count}; another: {others})").format(
        number=captures.number, count=len(captures.parts), others=others
    )


def shapes(known: Overview) -> list[str]:
    """Return the shape of DP, P/D and EP, a short text each, for what is known."""
    found: list[str] = []
    if known.domains:
        sizes = [
            sum(d.instance == instance for d in known.domains)
            for instance in sorted({d.instance for d in known.domains}, key=lambda i: i)
        ]
        found.append(_("DP {sizes}").format(sizes="+".join(map(str, sorted(sizes)))))
    for role, text in (("prefill", _("P {count}")), ("decode", _("D {count}"))):
        count = sum(node.role == role for node in known.nodes)
        if count:
            found.append(text.format(count=count))
    found += [expert_shape(experts) for experts in known.experts]
    return found


def expert_shape(experts: Experts) -> str:
    """Return ranks × slots × layers and periods of one instance in words; experts where it has no ranks."""
    alone = experts.experts is not None and not experts.ranks
    size = [
        plural("1 rank", "{count} ranks", experts.ranks) if experts.ranks else "",
        plural("1 expert", "{count} experts", experts.experts or 0) if alone else "",
        str(experts.slots_per_rank) if experts.slots_per_rank else "",
        plural("1 layer", "{count} layers", experts.layers),
    ]
    return _("EP {size}, {periods}").format(
        size=" × ".join(part for part in size if part),
        periods=plural("1 period", "{count} periods", experts.periods),
    )
