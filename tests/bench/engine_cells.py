"""What lbtui shows of an output, beside what its raw profile records: the cells of the table of `engines`.

What is shown comes from the frames that the panes draw (`batches`, the joined steps, `kv`, `requests`) and
their percentiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from lbtui.analysis.data_parallel import domain_steps, domains_of
from lbtui.analysis.latency import ascending, percentiles
from lbtui.sources import open_profile
from tests.bench.engine_truth import Domain, Truth

Value = float | None
_UNREADABLE = "unreadable!"
_TTFT = {"TTFT p50 (ms)": 0.5, "TTFT p95 (ms)": 0.95, "TTFT max (ms)": 1.0}
# Digits printed and the most that a cell may be off.
PRECISION: dict[str, tuple[int, float]] = {
    "domains": (0, 0),
    "requests": (0, 0),
    "dp_rank": (0, 0),
    "rounds": (0, 0),
    "steps": (0, 0),
    "mean batch": (3, 0.0005),
    "peak batch": (0, 0),
    "mean batch of steps": (3, 0.0005),
    "peak batch of steps": (0, 0),
    "prefills": (0, 0),
    "decodes": (0, 0),
    "tokens": (0, 0),
    "tokens of steps": (0, 0),
    "KV peak": (4, 0.00005),
    "least free KV": (0, 0),
    **dict.fromkeys(_TTFT, (2, 0.01)),
}
# Upstream's tables time a first token that was detokenized together with others at the end of its round, and
# SGLang's at the end of the span in which it was detokenized.
_DETOKENIZED = 1.0  # ms, the most between the two
_BY_DETOKENIZE = ("vLLM v0", "vLLM v1", "SGLang")


class Format(NamedTuple):
    """What kinds of file an output has; a raw profile has none of them."""

    tables: bool  # CSVs or profiler.db
    trace: bool
    lacks: frozenset[str] = frozenset()  # quantities that the columns of an older parser do not hold


_BLOCKS = {"KV peak", "least free KV"}
# What the parser's tables, and its trace, do not hold. Elsewhere `unknown` is a fault.
_NOT_IN_TABLES: dict[str, set[str]] = {
    "vLLM v0": _BLOCKS,  # a count of sequences is written for blocks
    "SGLang": {"KV peak"},  # the total is written as 0
}
_NOT_IN_TRACE: dict[str, set[str]] = {
    "MindIE": _BLOCKS,  # the counters are 0 throughout
    "vLLM v0": _BLOCKS,
    "vLLM v1": {"KV peak"},  # free blocks and no total
    "SGLang": {"KV peak"},
}


@dataclass(frozen=True)
class Shown:
    """What lbtui shows of one output."""

    domains: int
    requests: int
    ttft: dict[str, float]  # ms by request id, of those that are known
    percentiles: dict[str, float]  # of TTFT by quantity, as the Overview has them
    of_domains: dict[str, dict[str, Value]]  # by prof_id of a scheduler, then by quantity
    of_places: dict[tuple[str, int | None], dict[str, Value]]  # the same by host and dp_rank of a domain


@dataclass(frozen=True)
class Row:
    """One row of the table: a quantity of a profile or of one of its domains."""

    profile: str
    subject: str
    quantity: str
    truth: str
    cells: tuple[str, ...]

    @property
    def wrong(self) -> int:
        """How many cells disagree."""
        return sum(cell.endswith("!") for cell in self.cells)


def shown_of(output: Path) -> Shown:
    """Return what lbtui shows of the output at a path. Raises `Unreadable`."""
    profile = open_profile(output)
    batches = profile.load("batches").frame
    passes = profile.load_domain_steps().frame
    steps = domain_steps(passes)
    kv, queues, requests = (profile.load(name).frame for name in ("kv", "queues", "requests"))
    domains = domains_of(passes, batches, kv, queues)
    ranks = {domain.key: domain.dp_rank for domain in domains}
    owners = batches.select("prof_id", "domain").unique().drop_nulls()
    known = requests.filter(pl.col("ttft").is_not_null()).select("request_id", "ttft")
    found = percentiles(ascending(requests["ttft"]), 0)
    return Shown(
        domains=len(domains),
        requests=requests.height,
        ttft=dict(known.iter_rows()),
        percentiles=dict(zip(_TTFT, (found.p50, found.p95, found.max), strict=True)),
        of_domains={
            prof_id: {"dp_rank": ranks.get(key), **_of_domain(key, prof_id, batches, steps, kv)}
            for prof_id, key in owners.iter_rows()
        },
        of_places={
            (domain.host, domain.dp_rank): {
                "dp_rank": domain.dp_rank,
                **_of_domain(domain.key, None, batches, steps, kv),
            }
            for domain in domains
        },
    )


def _of_domain(
    key: str, prof_id: str | None, batches: pl.DataFrame, steps: pl.DataFrame, kv: pl.DataFrame
) -> dict[str, Value]:
    # The ranks of a tensor parallel group each have the rounds: one of them stands for all. Old parsers name
    # none, and wrote nothing of such groups.
    rounds = batches.filter(pl.col("domain") == key if prof_id is None else pl.col("prof_id") == prof_id)
    of_steps = steps.filter(pl.col("domain") == key)
    pool = kv.filter(pl.col("domain") == key)
    return {
        "rounds": rounds.height,
        "mean batch": _number(rounds["batch_size"].mean()),
        "peak batch": _number(rounds["batch_size"].max()),
        "steps": of_steps.height,
        "mean batch of steps": _number(of_steps["batch_size"].mean()),
        "peak batch of steps": _number(of_steps["batch_size"].max()),
        "prefills": _sum(rounds["prefill_batch_size"]),
        "decodes": _sum(rounds["decode_batch_size"]),
        "tokens": _sum(rounds["tokens"]),
        "tokens of steps": _sum(of_steps["tokens"]),
        "KV peak": _number(pool["usage"].max()),
        "least free KV": _number(pool["free_blocks"].min()),
    }


def _number(value: object) -> Value:
    return float(value) if isinstance(value, int | float) else None


def _sum(values: pl.Series) -> Value:
    """Return the sum, None where nothing is known."""
    return None if values.null_count() == len(values) else float(values.sum())


def format_of(output: Path, lacks: Iterable[str] = ()) -> Format:
    """Return what kinds of file lie in a folder, and what they lack beside what today's parser leaves out."""
    names = [path.name for path in output.iterdir()]
    return Format(
        tables=any(name.endswith((".csv", ".db")) for name in names),
        trace=any(name.startswith("chrome_tracing") for name in names),
        lacks=frozenset(lacks),
    )


def compared(name: str, truth: Truth, outputs: Sequence[tuple[Format, Shown | None]]) -> Iterator[Row]:
    """Yield the rows of one profile; what is shown is None for an output that could not be read."""

    def row(subject: str, quantity: str, value: Value, of: Callable[[Shown], Value]) -> Row:
        cells = (
            _UNREADABLE if shown is None else _cell(quantity, value, of(shown), _held(quantity, truth, kinds))
            for kinds, shown in outputs
        )
        return Row(name, subject, quantity, _text(quantity, value), tuple(cells))

    yield row("", "domains", len(truth.domains) + truth.idle_domains, lambda shown: shown.domains)
    for domain in truth.domains:
        for quantity, value in _expected(domain).items():
            yield row(_subject(domain), quantity, value, partial(_of, domain, quantity))
    yield row("", "requests", truth.requests, lambda shown: shown.requests)
    for quantity, share in _TTFT.items():
        cells = (
            _UNREADABLE if shown is None else _ttft_cell(quantity, truth, shown, kinds)
            for kinds, shown in outputs
        )
        yield Row(name, "", quantity, _text(quantity, _quantile([*truth.ttft.values()], share)), tuple(cells))


def _held(quantity: str, truth: Truth, kinds: Format) -> bool:
    """Tell whether files of these kinds hold a quantity."""
    absent = [
        not_in.get(truth.engine, set())
        for there, not_in in ((kinds.tables, _NOT_IN_TABLES), (kinds.trace, _NOT_IN_TRACE))
        if there
    ]
    return quantity not in kinds.lacks and not (absent and all(quantity in names for names in absent))


def _expected(domain: Domain) -> dict[str, Value]:
    rounds, peak = len(domain.batch_sizes), max(domain.batch_sizes)
    return {
        "dp_rank": domain.dp_rank,
        "rounds": rounds,
        "mean batch": domain.mean,
        "peak batch": peak,
        "steps": rounds,
        "mean batch of steps": domain.mean,
        "peak batch of steps": peak,
        "prefills": domain.prefills,
        "decodes": sum(domain.batch_sizes) - domain.prefills,
        "tokens": domain.tokens,
        "tokens of steps": domain.tokens,
        "KV peak": domain.kv_peak,
        "least free KV": domain.least_free,
    }


def _subject(domain: Domain) -> str:
    rank = "dp?" if domain.dp_rank is None else f"dp{domain.dp_rank}"
    pids = "+".join(prof_id.rpartition("-")[2] for prof_id in domain.prof_ids)
    return f"{rank} {domain.host} {pids}"


def _of(domain: Domain, quantity: str, shown: Shown) -> Value:
    of = next((shown.of_domains[p] for p in domain.prof_ids if p in shown.of_domains), None)
    of = of or shown.of_places.get((domain.host, domain.dp_rank))
    return None if of is None else of[quantity]


def _cell(quantity: str, truth: Value, shown: Value, held: bool) -> str:
    if truth is None or shown is None:
        agrees = shown is None and (truth is None or not held)
    else:
        agrees = abs(shown - truth) <= PRECISION[quantity][1]
    return _text(quantity, shown) + ("" if agrees else "!")


def _ttft_cell(quantity: str, truth: Truth, shown: Shown, kinds: Format) -> str:
    """Return a percentile of the TTFTs shown: right if each of them is, and a trace's if all are there."""
    if not shown.ttft:
        return "unknown" + ("!" if truth.ttft else "")
    most = PRECISION[quantity][1]
    if truth.engine in _BY_DETOKENIZE and kinds.tables and not kinds.trace:
        most = _DETOKENIZED
    alike = {rid: truth.ttft[rid] for rid in shown.ttft if rid in truth.ttft}
    wrong = sum(rid not in alike or abs(ttft - alike[rid]) > most for rid, ttft in shown.ttft.items())
    fewer = len(shown.ttft) < len(truth.ttft)
    value = shown.percentiles[quantity]
    right = abs(value - _quantile([*alike.values()], _TTFT[quantity])) <= most
    text = _text(quantity, value)
    text += f" ({len(shown.ttft)} of {len(truth.ttft)})" if fewer else ""
    text += f" {wrong} wrong" if wrong else ""
    return text + ("" if right and not wrong and not (fewer and (kinds.trace or not kinds.tables)) else "!")


def _quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile, linear between neighbours."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _text(quantity: str, value: Value) -> str:
    return "unknown" if value is None else f"{value:.{PRECISION[quantity][0]}f}"
