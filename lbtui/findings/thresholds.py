"""Every threshold of the findings, in one place, with its source; settable in a TOML file."""

from __future__ import annotations

import dataclasses
import math
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lbtui.analysis.expected import Entry, Expected
from lbtui.text import _, visible

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same code under its older name
    import tomli as tomllib

# Bytes of a file: all thresholds with their meanings are 4 KB. Of 64 KB a name of many dots takes a minute.
_LARGEST = 1 << 14


# A domain or node that is to carry so many times what its peers carry, or so little, is a slip of the pen.
_MOST_SHARE = 1000.0
# What `[expected]` may hold, and what its entries set.
_DOMAIN, _NODE = ("domain", "share"), ("node", "weight")


def _threshold(default: float, text: str) -> Any:
    return field(default=default, metadata={"text": text})


@dataclass(frozen=True)
class Thresholds:
    """Effects below these are no findings, however certain; `p_value` bounds chance for all of them.

    `expected` is what evenness is judged against: the shares of the load that the config expects.
    """

    p_value: float = _threshold(0.01, _("probability of chance below which an effect counts as real"))
    dp_batch_ratio: float = _threshold(1.4, _("requests in flight of a DP domain / mean of its peers"))
    dp_batch_excess: float = _threshold(
        0.5, _("requests a step that it must carry beyond its peers at least")
    )
    dp_queue_ratio: float = _threshold(2.0, _("waiting requests of a DP domain / mean of its peers"))
    dp_queue_waiting: float = _threshold(0.5, _("waiting requests of the domain, mean over the window"))
    dp_straggler_ratio: float = _threshold(
        1.08, _("step time of a domain or card / its peers at the same load")
    )
    dp_bubble_share: float = _threshold(
        0.05, _("share of a step by which a domain starts its forward after its peers")
    )
    dp_tokens_ratio: float = _threshold(1.5, _("prompt tokens of a DP domain / mean of its peers"))
    dp_stalled_seconds: float = _threshold(3.0, _("time without a step while requests wait or run"))
    dp_idle_share: float = _threshold(0.1, _("share of the run in which a DP domain gets and does nothing"))
    cost_share: float = _threshold(0.005, _("share of time that a finding on waiting costs at least"))
    critical_share: float = _threshold(0.02, _("share of time that a critical finding costs at least"))
    kv_free_share: float = _threshold(0.05, _("free share of a domain's KV blocks that counts as exhausted"))
    kv_exhausted_share: float = _threshold(
        0.02, _("share of the run at the last blocks with requests waiting")
    )
    kv_pool_ratio: float = _threshold(0.6, _("KV pool of a domain / median of its instance"))
    kv_peak_ratio: float = _threshold(1.5, _("peak KV usage of a domain / median of its peers"))
    kv_peak_usage: float = _threshold(0.5, _("peak KV usage from which an uneven peak matters"))
    pd_node_ratio: float = _threshold(1.25, _("requests of a P/D node / mean of its role"))
    pd_stalled_share: float = _threshold(
        0.15, _("share of the run (at least 3 time bins) in which a P/D node ends or gets nothing")
    )
    pd_waiting: float = _threshold(
        1.0, _("requests waiting at the median domain (rank, P node) of a P/D role")
    )
    pd_idle_share: float = _threshold(
        0.25, _("waiting of the other role, as a share of the bottleneck's, up to which it keeps up")
    )
    pd_busy_share: float = _threshold(
        0.7, _("share of time that P nodes compute, from which requests waiting there tell of the ratio")
    )
    pd_transfer_ratio: float = _threshold(
        1.5, _("median KV pull time of a rank, source, pair or time / the others'")
    )
    ep_rank_ratio: float = _threshold(
        1.15, _("mean load of an EP rank over layers and periods / mean of the ranks")
    )
    ep_par: float = _threshold(1.3, _("PAR over ranks that asks for re-balancing (MindIE flash_lb)"))
    ep_par_mild: float = _threshold(1.18, _("PAR over ranks, mean/max < 0.85 (vllm-ascend FlashLB)"))
    ep_expert_ratio: float = _threshold(4.5, _("load of an expert / mean expert of its layer"))
    ep_heat_moved: float = _threshold(
        0.05, _("share of routed tokens that go to other experts than in the EPLB period before")
    )
    ep_cost_listed: float = _threshold(
        0.0005, _("share of expert compute below which a hot expert is no finding of its own")
    )
    ep_slow_ratio: float = _threshold(1.08, _("time of a rank per load / median of the ranks"))
    eplb_gain: float = _threshold(0.05, _("fall of mean PAR between periods below which EPLB does nothing"))
    short_capture_seconds: float = _threshold(120.0, _("capture length below which figures are uncertain"))
    clock_skew_ms: float = _threshold(5.0, _("difference of two hosts' clocks"))
    expected: Expected = field(default_factory=Expected)


class BadThresholds(Exception):
    """A thresholds file cannot be used; the text says which line of it and why."""


def _thresholds() -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(Thresholds) if "text" in f.metadata]


def described() -> list[tuple[str, float, str]]:
    """Return name, default and meaning of every threshold, for the help."""
    defaults = Thresholds()
    return [(f.name, getattr(defaults, f.name), f.metadata["text"]) for f in _thresholds()]


def from_file(path: Path) -> Thresholds:
    """Return the defaults with the `[thresholds]` and `[expected]` tables of a TOML file over them.

    Raises `BadThresholds` with a sentence for a file that cannot be read, unknown names and wrong values.
    """
    try:
        document = tomllib.loads(_content(path).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadThresholds(
            _("{file} cannot be read as TOML: {why}.").format(
                file=visible(str(path)), why=visible(_why(error), 200)
            )
        ) from error
    file = str(path)
    if other := sorted(document.keys() - {"thresholds", "expected"}):
        raise BadThresholds(
            _(
                "{file}: there is no setting {name}; all that can be set is in the tables [thresholds] and "
                "[expected]."
            ).format(file=visible(file), name=visible(other[0], 100))
        )
    changed = with_changes(_table(document, "thresholds", file), file)
    return dataclasses.replace(changed, expected=_expected(_table(document, "expected", file), file))


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeDecodeError | tomllib.TOMLDecodeError):
        return str(error)
    # What the parser itself does not foresee.
    return (
        _("it is nested too deep") if isinstance(error, RecursionError) else _("a number has too many digits")
    )


def _content(path: Path) -> bytes:
    """Return what a file holds; raises `OSError` for what is no file or larger than any thresholds are."""
    # A pipe without a writer would be waited for.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(_("it is no regular file"))
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise OSError(_("it is larger than {size} KiB").format(size=_LARGEST >> 10))
    return content


def with_changes(table: Mapping[str, Any], file: str) -> Thresholds:
    """Return the defaults changed by `table`; raises `BadThresholds` as `from_file` does."""
    known = {f.name for f in _thresholds()}
    for name, value in table.items():
        if name not in known:
            raise BadThresholds(
                _("{file}: there is no threshold {name}; there are {known}.").format(
                    file=visible(file), name=visible(str(name), 100), known=", ".join(sorted(known))
                )
            )
        if not _number(value) > 0:
            raise BadThresholds(
                _("{file}: {name} must be a number above 0.").format(file=visible(file), name=name)
            )
    changes: dict[str, Any] = {name: _number(value) for name, value in table.items()}
    return Thresholds(**changes)


def _number(value: object) -> float:
    """Return a number of the file, NaN for what is none or beyond all floats."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _table(document: Mapping[str, Any], name: str, file: str) -> Mapping[str, Any]:
    """Return a table of the file, empty where there is none."""
    table = document.get(name, {})
    if not isinstance(table, Mapping):
        raise BadThresholds(
            _("{file}: {name} must be a table.").format(file=visible(file), name=visible(name, 200))
        )
    return table


def _expected(table: Mapping[str, Any], file: str) -> Expected:
    """Return `domain."dp3".share = 0.5` and `node."10.20.0.12:1025".weight = 2` of the table."""
    known = dict((_DOMAIN, _NODE))
    for kind in table:
        if kind not in known:
            raise BadThresholds(
                _("{file}: [expected] has no {name}; it has {known}.").format(
                    file=visible(file),
                    name=visible(str(kind)),
                    known=_(" and ").join(f'{k}."NAME".{setting}' for k, setting in known.items()),
                )
            )
    domains, nodes = (_entries(table, *names, file) for names in (_DOMAIN, _NODE))
    return Expected(domains, nodes)


def _entries(table: Mapping[str, Any], kind: str, setting: str, file: str) -> tuple[Entry, ...]:
    entries = []
    for name, settings in _table(table, kind, file).items():
        number = _number(settings.get(setting)) if isinstance(settings, Mapping) else math.nan
        if not 1 / _MOST_SHARE <= number <= _MOST_SHARE or set(settings) != {setting}:
            raise BadThresholds(
                _(
                    '{file}: {kind}."{name}" must have one number, {setting}, from {least:g} to {most:g}.'
                ).format(
                    file=visible(file),
                    kind=kind,
                    name=visible(name),
                    setting=setting,
                    least=1 / _MOST_SHARE,
                    most=_MOST_SHARE,
                )
            )
        entries.append((name, number))
    return tuple(entries)
