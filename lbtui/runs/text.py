"""A summary as a file, and back: small enough to be gathered, and never trusted."""

from __future__ import annotations

import base64
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast, get_args

import numpy as np

from lbtui import __version__
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.interval import MOST_BINS
from lbtui.comparison.named import metric_named
from lbtui.comparison.series import Course
from lbtui.runs.model import Measure, Parameter, RunSummary, Severity, Shape, Worst
from lbtui.sources.parameters import checked_parameters
from lbtui.sources.runs_below import MOST_SUMMARY, SUMMARY_MARK, SUMMARY_VERSION
from lbtui.strict_json import list_of, number_of, parsed, table_of, text_of, whole_of
from lbtui.text import _
from lbtui.thresholds import MOST_TARGET, TARGET_NAMES

# Of a distribution so many values at even ranks: a rank is then right to a twentieth of a percent.
MOST_VALUES = 2048
_MOST_TEXT = 2000
_MOST_MEASURES = 4000
_MOST_NOTES = 100
_MOST_GROUPS = 1000
_MOST_MEMBERS = 1 << 20
_MOST_LAYERS = 4096
_FLOATS = np.dtype("<f4")
_IDENTITY = re.compile(r"[0-9a-f]*")


class BadSummary(Exception):
    """A file is no summary; the text says why, in a few words."""


@dataclass(frozen=True)
class Told:
    """A summary with what tells of which run it is: its name, where it lay when it was made, what was set."""

    summary: RunSummary
    name: str = ""
    path: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    raw: bool = False


def to_bytes(told: Told) -> bytes:
    """Return the file; numbers that are not finite are null in it."""
    summary = told.summary
    document = {
        SUMMARY_MARK: SUMMARY_VERSION,
        "lbtui": __version__,
        "name": told.name[:_MOST_TEXT],
        "path": told.path[: 2 * _MOST_TEXT],
        "raw": told.raw,
        "parameters": dict(told.parameters),
        "identity": summary.identity,
        "start": summary.start,
        "end": summary.end,
        "shape": {
            "engine": summary.shape.engine,
            "domains": summary.shape.domains,
            "nodes": summary.shape.nodes,
            "ranks": summary.shape.ranks,
        },
        "worst": None
        if summary.worst is None
        else {
            "id": summary.worst.id,
            "severity": summary.worst.severity,
            "message": summary.worst.message[:_MOST_TEXT],
        },
        "findings": dict(summary.findings),
        "targets": dict(summary.targets),
        "notes": [note[:_MOST_TEXT] for note in summary.notes[:_MOST_NOTES]],
        "seconds": _or_null(summary.seconds),
        "measures": [_measure_told(measure) for measure in summary.measures[:_MOST_MEASURES]],
    }
    # Other than ASCII, so that single surrogates of names of files come back.
    return (json.dumps(document, allow_nan=False, separators=(",", ":")) + "\n").encode("ascii")


def _measure_told(measure: Measure) -> dict[str, object]:
    told = {
        "metric": measure.key,
        "subject": measure.subject[:_MOST_TEXT],
        "value": _or_null(measure.value),
        "low": _or_null(measure.low),
        "high": _or_null(measure.high),
        "chance": None if measure.chance is None else _or_null(measure.chance),
        "absent": measure.absent[:_MOST_TEXT],
        "doubt": measure.doubt[:_MOST_TEXT],
        "course": None if measure.course is None else _course_told(measure.course),
        "layers": [_or_null(value) for value in measure.layers[:_MOST_LAYERS]],
    }
    return {name: value for name, value in told.items() if value not in (None, "", [])}


def _course_told(course: Course) -> dict[str, object] | None:
    """Return a course without what it does not have; None where one of its numbers is not finite."""
    told: dict[str, object] = {"value": course.value, "series": _packed(course.series)}
    numbers = ("counted", "of_one", "share", "told", "half")
    told |= {name: value for name in numbers if (value := float(getattr(course, name)))}
    if course.values is not None and course.reached is not None:
        values, reached = _thinned(course.values, course.reached)
        told["values"] = _packed(values)
        if reached is not None:
            told["reached"] = _packed(reached)
    finite = [value for value in told.values() if isinstance(value, float)]
    return told if None not in told.values() and all(map(math.isfinite, finite)) else None


def _thinned(values: Floats, reached: Floats) -> tuple[Floats, Floats | None]:
    """Return a distribution by even ranks; what each has reached is left out where the ranks tell it."""
    count = len(values)
    if count > MOST_VALUES:
        ranks = _ranks(MOST_VALUES)
        return values[np.minimum(np.searchsorted(reached, ranks - 1e-12), count - 1)], None
    even = count and np.allclose(reached, _ranks(count), rtol=0, atol=1e-9)
    return values, None if even else reached


def _ranks(count: int) -> Floats:
    return np.arange(1, count + 1, dtype=np.float64) / max(count, 1)


def _packed(numbers: Floats) -> str | None:
    """Return an array as text, None where one of its numbers is too large or none."""
    with np.errstate(over="ignore"):
        small = numbers.astype(_FLOATS)
    return base64.b64encode(small.tobytes()).decode("ascii") if np.isfinite(small).all() else None


def _or_null(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def from_bytes(data: bytes) -> Told:
    """Return what a file says; raises `BadSummary`. A metric that this lbtui does not know is left out."""
    if len(data) > MOST_SUMMARY:
        raise BadSummary(_("it is larger than {size} KiB").format(size=MOST_SUMMARY >> 10))
    try:
        document = parsed(data)
    except ValueError as error:
        raise BadSummary(_("it is no JSON")) from error
    version = document.get(SUMMARY_MARK) if isinstance(document, dict) else None
    if isinstance(version, int) and version > SUMMARY_VERSION:
        raise BadSummary(_("it is of a later version of lbtui"))
    if version != SUMMARY_VERSION or isinstance(version, bool):
        raise BadSummary(_("it is not lbtui's"))
    try:
        return _told(document)
    except (KeyError, ValueError) as error:
        raise BadSummary(_("it is damaged")) from error


def _told(document: Mapping[str, Any]) -> Told:
    shape = table_of(document["shape"], 16)
    summary = RunSummary(
        _identity(document["identity"]),
        _optional_whole(document["start"]),
        _optional_whole(document["end"]),
        shape=Shape(
            text_of(shape["engine"], 40),
            tuple(whole_of(count, 0, _MOST_MEMBERS) for count in list_of(shape["domains"], _MOST_GROUPS)),
            tuple(_node(each) for each in list_of(shape["nodes"], _MOST_GROUPS)),
            tuple(_ranks_of(count) for count in list_of(shape["ranks"], _MOST_GROUPS)),
        ),
        measures=tuple(_measures(list_of(document["measures"], _MOST_MEASURES))),
        worst=None if document["worst"] is None else _worst(table_of(document["worst"], 16)),
        findings={
            _severity(name): whole_of(count) for name, count in table_of(document["findings"], 3).items()
        },
        targets=_targets(table_of(document["targets"], len(TARGET_NAMES))),
        notes=tuple(text_of(note, _MOST_TEXT) for note in list_of(document["notes"], _MOST_NOTES)),
        seconds=0.0 if document["seconds"] is None else number_of(document["seconds"]),
    )
    if not isinstance(document["raw"], bool):
        raise ValueError(document["raw"])
    return Told(
        summary,
        text_of(document["name"], _MOST_TEXT),
        _path(document["path"]),
        checked_parameters(document["parameters"]),
        document["raw"],
    )


def _identity(value: object) -> str:
    """Return an identity, which names a file of what is remembered: nothing else may."""
    if not _IDENTITY.fullmatch(found := text_of(value, 64)):
        raise ValueError(found)
    return found


def _path(value: object) -> str:
    """Return an absolute path that the system takes, or none."""
    found = text_of(value, 2 * _MOST_TEXT)
    if "\0" in found or not (os.fsencode(found).startswith(b"/") or not found):
        raise ValueError(found)
    return found


def _optional_whole(value: object) -> int | None:
    return None if value is None else whole_of(value)


def _ranks_of(value: object) -> int | None:
    return None if value is None else whole_of(value, 0, _MOST_MEMBERS)


def _node(value: object) -> tuple[str, int]:
    role, count = _two(list_of(value, 2))
    return text_of(role, _MOST_TEXT), whole_of(count, 0, _MOST_MEMBERS)


def _two(values: Sequence[Any]) -> Sequence[Any]:
    if len(values) != 2:
        raise ValueError(len(values))
    return values


def _targets(table: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    found = {name: number_of(value) for name, value in table.items()}
    if not found.keys() <= set(TARGET_NAMES) or not all(0 < value <= MOST_TARGET for value in found.values()):
        raise ValueError(found)
    return tuple((name, found[name]) for name in TARGET_NAMES if name in found)


def _severity(value: object) -> Severity:
    if value not in get_args(Severity):
        raise ValueError(value)
    return cast(Severity, value)


def _worst(table: Mapping[str, Any]) -> Worst:
    return Worst(
        text_of(table["id"], 100), _severity(table["severity"]), text_of(table["message"], _MOST_TEXT)
    )


def _measures(values: Iterable[object]) -> Iterable[Measure]:
    for value in values:
        table = table_of(value, 16)
        dimension, _dot, key = text_of(table["metric"], 200).partition(".")
        metric = metric_named(dimension, key)
        if metric is None:
            continue
        value, low, high = (_or_nan(table.get(name)) for name in ("value", "low", "high"))
        chance = table.get("chance")
        yield Measure(
            metric,
            text_of(table.get("subject", ""), _MOST_TEXT),
            value,
            low,
            high,
            None if chance is None else number_of(chance),
            text_of(table.get("absent", ""), _MOST_TEXT),
            text_of(table.get("doubt", ""), _MOST_TEXT),
            _course(table_of(table["course"], 16)) if "course" in table else None,
            tuple(_or_nan(each) for each in list_of(table.get("layers", []), _MOST_LAYERS)),
        )


def _or_nan(value: object) -> float:
    return math.nan if value is None else number_of(value)


def _course(table: Mapping[str, Any]) -> Course:
    series = _unpacked(table["series"], MOST_BINS)
    numbers = {
        name: number_of(table.get(name, 0.0)) for name in ("counted", "of_one", "share", "told", "half")
    }
    if min(numbers.values()) < 0 or numbers["share"] >= 1:
        raise ValueError(numbers)
    values = reached = None
    if "values" in table:
        values = _unpacked(table["values"], MOST_VALUES)
        reached = _unpacked(table["reached"], MOST_VALUES) if "reached" in table else _ranks(len(values))
        rising = all((np.diff(each) >= 0).all() for each in (values, reached))
        if not rising or len(reached) != len(values) or reached[0] < 0 or not numbers["share"]:
            raise ValueError(len(values))
        if not 0.999 < reached[-1] < 1.001:
            raise ValueError(reached[-1])
        reached = reached / reached[-1]  # as far as four bytes told it
    return Course(number_of(table["value"]), series, values=values, reached=reached, **numbers)


def _unpacked(value: object, most: int) -> Floats:
    """Return an array of at least one number, all of them finite."""
    packed = text_of(value, (most * _FLOATS.itemsize + 2) // 3 * 4)
    # What is no ASCII, and what is no base64, are ValueErrors.
    data = base64.b64decode(packed.encode("ascii"), validate=True)
    found = np.frombuffer(data, _FLOATS).astype(np.float64)
    if not len(found) or not np.isfinite(found).all():
        raise ValueError(len(found))
    return found
