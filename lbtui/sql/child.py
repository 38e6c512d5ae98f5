"""The child that answers one query: it loads the frames named, shuts itself off from all files, and runs it.

It gets a line of JSON and writes one, behind it the result as an Arrow stream.
"""

from __future__ import annotations

import difflib
import io
import json
import os
import re
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from lbtui.children import Parent
from lbtui.profile import FrameName, Unreadable, empty
from lbtui.profile.collect import COLLECT
from lbtui.profile.schema import SCHEMAS
from lbtui.profile.time import ZONE_REGION
from lbtui.sources import open_profile
from lbtui.sql.grammar import FRAMES, Query, Refused, checked
from lbtui.text import _, error_words, visible, with_brackets, with_label

if TYPE_CHECKING:
    from lbtui.profile import Profile

_FUNCTIONS = (
    *("abs", "array_agg", "avg", "ceil", "coalesce", "concat", "corr", "count", "date_trunc", "extract"),
    *("first", "floor", "greatest", "if", "last", "least", "length", "lower", "max", "median", "min", "mod"),
    *("nullif", "quantile_cont", "quantile_disc", "rank", "regexp_like", "replace", "round", "row_number"),
    *("starts_with", "stddev", "strftime", "substr", "sum", "upper", "variance"),
)
# What the engine names where it knows something not: in one of several kinds of quotes.
_UNKNOWN = re.compile(r"(relation|column|function)\b[^'\"`]{0,40}['\"`]([^'\"`]{1,200})['\"`]")


def main() -> None:
    """Answer the query on standard input."""
    parent = Parent()
    head, body = _answered(json.loads(parent.line()))
    parent.tell(json.dumps(head).encode() + b"\n" + body)
    # Threads of polars have nothing to tidy up.
    os._exit(0)


def _answered(asked: dict[str, Any]) -> tuple[dict[str, object], bytes]:
    """Return what is said of the answer, and the rows as an Arrow stream."""
    try:
        query = checked(asked["query"])
        frames, notes = _loaded(query, asked)
        with pl.SQLContext(frames, eager=False) as context:
            # Threads are started, and modules imported, while that can be done.
            context.execute("SELECT 1 AS one", eager=True).write_ipc_stream(io.BytesIO())
            _shut_off(asked["memory"])
            return {"notes": notes}, _stream(_run(context, query))
    except Refused as error:
        return {"error": "mistake", "text": str(error)}, b""
    except Unreadable as error:
        return {"error": "unreadable", "text": str(error)}, b""
    except MemoryError:
        return {"error": "memory"}, b""
    # Also what polars raises when it panics, which is no Exception.
    except BaseException as error:
        return {"error": "fault", "text": error_words(error)}, b""


def _loaded(query: Query, asked: dict[str, Any]) -> tuple[dict[str, pl.LazyFrame], list[str]]:
    """Return the frames that the query names, times in the files' zone, and what to mind."""
    if query.shows_tables:
        return {name: empty(name).lazy() for name in FRAMES}, []
    if not query.frames:
        return {}, []
    experts, placement = (
        None if asked[name] is None else Path(asked[name]) for name in ("experts", "placement")
    )
    profile = open_profile(Path(asked["path"]), experts, placement, asked["capture"], asked["raw"])
    notes: list[str] = []
    found: dict[str, pl.LazyFrame] = {}
    for name in query.frames:
        loaded = profile.load(name)
        notes += [with_label(note.file, note.text) for note in loaded.notes if note.lost]
        if loaded.frame.is_empty():
            notes += _why_empty(profile, name)
        times = pl.col(pl.Datetime("us")).dt.replace_time_zone("UTC").dt.convert_time_zone(ZONE_REGION)
        found[name] = loaded.frame.with_columns(times).lazy()
    if all(profile.load(name).frame.is_empty() for name in query.frames):
        profile.require_rows()
    return found, list(dict.fromkeys(notes))


def _why_empty(profile: Profile, name: FrameName) -> list[str]:
    if name not in COLLECT:
        return [_("{name} has no rows.").format(name=name)]
    missing = profile.missing_of(name)
    sentence = _("{name} has no rows: {reason}; {how}.")
    return [sentence.format(name=name, reason=missing.reason, how=missing.how_to_collect)]


def _shut_off(memory: int) -> None:
    """Let the process open nothing any more, and have so many bytes more than it has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    wanted = pages * resource.getpagesize() + memory
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _run(context: pl.SQLContext[Any], query: Query) -> pl.DataFrame:
    try:
        frame: pl.DataFrame = context.execute(query.text.rstrip().rstrip(";"), eager=True)
        return frame
    except pl.exceptions.PolarsError as error:
        raise Refused(_mistake(str(error), query)) from error
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise Refused(_mistake(str(error), query)) from error


def _mistake(message: str, query: Query) -> str:
    """Return what the engine says, without the plan that it adds, and the nearest name there is."""
    own = message.partition("\n\nResolved plan")[0]
    said = visible(" ".join(own.split()), 600)
    found = _UNKNOWN.search(own)
    if found is None:
        return said
    kind, name = found.groups()
    columns = {column for frame in query.frames or FRAMES for column in SCHEMAS[frame]}
    names = {"relation": FRAMES, "column": tuple(sorted(columns)), "function": _FUNCTIONS}[kind]
    near = difflib.get_close_matches(name.lower(), names, 1)
    if not near or near[0] == name or f'Did you mean "{near[0]}"' in said:
        return said
    return with_brackets(said, _("nearest: {name}").format(name=near[0]))


def _stream(frame: pl.DataFrame) -> bytes:
    # Of a file with a number polars would make another of the same, which it cannot any more.
    stream = io.BytesIO()
    frame.write_ipc_stream(stream)
    return stream.getvalue()
