"""The targets (SLO) of a run: what it attained of them, read for the reports, and its words everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import polars as pl

from lbtui.analysis.latency import request_table
from lbtui.analysis.slo import FEW, Attained, Targets, targets_of
from lbtui.overview.attained import Slo, kind_words, slo_of
from lbtui.overview.model import Overview
from lbtui.overview.placed import places_of, tells_places
from lbtui.overview.text import clock, short
from lbtui.profile import Loaded, Profile, Progress, attempted, empty
from lbtui.text import _, in_list, plural, with_comma
from lbtui.thresholds import Thresholds

TITLE = _("Targets (SLO)")
HEADS = (
    _("requests"),
    _("met"),
    _("95 % interval"),
    _("goodput"),
    _("met of judged"),
    _("unknown"),
)

_MANY = 1000  # judged requests from which a tenth of a percent is told

# How the figures come about; help, reports and manual print these sentences.
FORMULAS = (
    _(
        "A request meets its targets if none of TTFT, time per output token (TPOT) and end to end that has a "
        "target is longer than that. It is unknown where one of them is not recorded and no other is longer. "
        "A request of one output token has no time per output token and cannot miss that target."
    ),
    _("met (attainment) = requests that met all targets / requests judged; unknown ones are not judged."),
    _(
        "goodput = requests that met all targets / seconds from the first arrival to the last end of the "
        "run's requests; of a stretch of time, those that ended in it / its seconds."
    ),
    _("The 95 % interval of a share is Wilson's (1927): what chance leaves open where so many are judged."),
    _("Without --slo or [slo], the targets are p95 of this run, of TTFT and of time per output token."),
)


@dataclass(frozen=True, eq=False)
class PlacedRequests:
    """The request table, with where requests ran (`unplaced`: why without), and the targets of the run."""

    table: pl.DataFrame
    targets: Targets
    unplaced: str = ""


def placed_requests(profile: Profile, limits: Thresholds, progress: Progress | None = None) -> PlacedRequests:
    """Return a profile's requests; reads where they ran, as far as these are not too many."""
    requests, speculation = (
        attempted(name, partial(profile.load, name, progress), Loaded(empty(name)))[0].frame
        for name in ("requests", "speculation")
    )
    table = request_table(requests, speculation)
    targets = targets_of(table, dict(limits.targets))
    if table.is_empty() or not tells_places(profile):
        return PlacedRequests(table, targets, _("no file tells where requests ran"))
    look = partial(places_of, table["request_id"], profile, progress)
    nowhere: pl.DataFrame | str = ""
    places, failure = attempted(_("where requests ran"), look, nowhere)
    if isinstance(places, str):
        return PlacedRequests(table, targets, places if failure is None else failure.text)
    return PlacedRequests(table.with_columns(places.get_columns()), targets)


def with_targets(known: Overview, placed: PlacedRequests) -> Overview:
    """Return the overview with what the requests attained; unchanged where there is no request."""
    if placed.table.is_empty():
        return known
    return replace(known, slo=slo_of(placed.table, placed.targets, known.domains, placed.unplaced))


def target_words(targets: Targets, *, baseline: bool = False) -> str:
    """Return the targets, and whose they are: of `baseline` where this run is compared with it."""
    if not targets.limits:
        return _("no target: no request tells TTFT or time per output token")
    names = {"ttft": _("TTFT"), "tpot": _("TPOT"), "e2e": _("end to end")}
    limits = in_list(f"{names[name]} ≤ {short(limit)} ms" for name, limit in targets.limits.items())
    if targets.given:
        return limits
    own = _("{limits} (p95 of the baseline run)") if baseline else _("{limits} (p95 of this run)")
    return own.format(limits=limits)


def attained_words(found: Attained) -> str:
    """Return attainment and goodput with what they are of, in a line."""
    if not found.judged:
        return _("no request can be judged ({unknown} unknown)").format(unknown=f"{found.unknown:,}")
    parts = [
        _("{share} met ({met} of {judged})").format(
            share=share_words(found), met=f"{found.met:,}", judged=f"{found.judged:,}"
        )
    ]
    if found.judged < FEW:
        parts[0] = with_comma(parts[0], interval_words(found))
    if found.unknown:
        parts.append(plural("1 unknown", "{count} unknown", found.unknown))
    parts.append(_("goodput {value}").format(value=goodput_words(found)))
    return " · ".join(parts)


def share_words(found: Attained) -> str:
    """Return the share that met, to a tenth of a percent where enough were judged; all is only all."""
    if not found.judged:
        return "–"
    decimals = 1 if found.judged >= _MANY else 0
    text = f"{100 * found.share:.{decimals}f} %"
    if found.missed and text.startswith("100"):
        return f">{100 - 10**-decimals:.{decimals}f} %"
    return f"<{10**-decimals:.{decimals}f} %" if found.met and not float(text[:-2]) else text


def interval_words(found: Attained) -> str:
    """Return the 95 % interval of the share that met; a dash where none is judged."""
    low, high = found.interval
    return "–" if math.isnan(low) else f"{100 * low:.0f}–{100 * high:.0f} %"


def goodput_words(found: Attained) -> str:
    """Return the goodput with its unit."""
    return "–" if math.isnan(found.goodput) else _("{value} req/s").format(value=short(found.goodput))


def counts(found: Attained) -> tuple[str, ...]:
    """Return the cells of a group under `HEADS`, without its name."""
    return (
        share_words(found),
        interval_words(found),
        goodput_words(found),
        f"{found.met:,} / {found.judged:,}",
        f"{found.unknown:,}" if found.unknown else "",
    )


def table_rows(slo: Slo) -> Iterator[tuple[str, ...]]:
    """Yield the cells of all requests, then of each group, as many as `HEADS`."""
    yield _("all"), *counts(slo.run)
    for group in slo.groups:
        yield f"{kind_words(group.kind)} {group.name}", *counts(group.attained)


def shares_over_time(slo: Slo) -> list[float]:
    """Return the share that met of each stretch, NaN where none is judged."""
    return [one.attained.share for one in slo.stretches]


def worst_stretch_words(slo: Slo, *, date: bool) -> str:
    """Return when most surely the least share met: whose interval ends lowest; "" without stretches."""
    known = [one for one in slo.stretches if one.attained.judged]
    if not known:
        return ""
    # Of two requests none may meet them by chance.
    worst = min(known, key=lambda one: (one.attained.interval[1], one.begin))
    return _("worst {begin}–{end}: {share} of those that ended ({met} of {judged})").format(
        share=share_words(worst.attained),
        met=f"{worst.attained.met:,}",
        judged=f"{worst.attained.judged:,}",
        begin=clock(worst.begin, _decimals(slo), date=date),
        end=clock(worst.end, _decimals(slo)),
    )


def _decimals(slo: Slo) -> int:
    first = slo.stretches[0]
    return 0 if (first.end - first.begin) % 1_000_000 == 0 else 3
