"""The columns of the table of runs: what each shows of a run, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.cells import cell_len

from lbtui.comparison.model import Better, Metric
from lbtui.render.text import fixed, number
from lbtui.runs.model import Measure
from lbtui.text import _, with_brackets, with_comma
from lbtui.ui.kit.columns import SortedColumn

NAME, START, VERDICT, WORST, SHAPE, LENGTH = "run", "start", "verdict", "worst", "shape", "length"
GOODPUT = "requests.goodput"

_MOST, _LEAST = _("most first"), _("least first")
_HIGH, _LOW = _("highest first"), _("lowest first")
_SLOW, _FAST = _("slowest first"), _("fastest first")


@dataclass(frozen=True)
class RunColumn(SortedColumn):
    """One column; of a metric its `name` is the metric's key (`Measure.key`).

    `metric` says how its values are written, `chance` whether what chance gives stands beside them.
    """

    metric: Metric | None = None
    better: Better = "lower"
    chance: bool = False

    @property
    def worst_down(self) -> bool:
        """Whether the greatest stands on top at first: the worst, the newest, the most."""
        return self.better != "higher" and self.kind != "text"

    def written(self, measure: Measure, decimals: int) -> str:
        """Return a value as it stands in the table, without its unit; ? says that it may be off."""
        text = fixed(scaled(measure.metric, measure.value), decimals)
        if self.chance and measure.chance is not None:
            text = with_brackets(text, fixed(scaled(measure.metric, measure.chance), decimals))
        return f"{text}?" if measure.doubt else text


def _of(key: str, title: str, words: str, width: int, *, chance: bool = False) -> RunColumn:
    """Return the column of a metric of which lower is better."""
    slow = "ttft" in key or "time" in key.rpartition(".")[0]
    down, up = (_SLOW, _FAST) if slow else (_HIGH, _LOW)
    return RunColumn(key, title, words, "count", width, 0, down, up, chance=chance)


def _load(key: str, title: str, words: str, width: int) -> RunColumn:
    return RunColumn(key, title, words, "count", width, 0, _MOST, _LEAST, better="neither")


_TEXT = _("Z to A"), _("A to Z")
FIXED: tuple[RunColumn, ...] = (
    RunColumn(NAME, _("run"), _("run"), "text", 15, 0, *_TEXT),
    RunColumn(START, _("start"), _("start"), "time", 11, 0, _("latest first"), _("earliest first")),
    RunColumn(VERDICT, _("vs baseline"), _("verdicts against the baseline"), "count", 12, 0, _MOST, _LEAST),
    RunColumn(WORST, _("worst finding"), _("worst finding"), "count", 18, 0, _MOST, _LEAST),
    _of("dp.batch_size.par", _("PAR batch"), _("PAR of DP batch size"), 12, chance=True),
    _of("dp.step_time.par", _("PAR step"), _("PAR of DP step time"), 9),
    _of("dp.step_time.wasted", _("wasted %"), _("step time wasted"), 9),
    _of("kv.usage.par", _("PAR KV"), _("PAR of KV use"), 7),
    _of("kv.usage.fullest.mean", _("KV %"), _("highest KV use, mean"), 6),
    _of("pd.added.par", _("PAR P/D"), _("PAR of requests per P/D node"), 8),
    _of("ep.rank_load.mean_layer_par", _("PAR EP"), _("PAR of the expert load of ranks"), 7),
    _of("dp.waiting.mean", _("waiting"), _("waiting requests, mean"), 8),
    _of("requests.ttft.p50", _("TTFT p50"), _("TTFT p50"), 9),
    _of("requests.ttft.p95", _("TTFT p95"), _("TTFT p95"), 9),
    _of("requests.time_per_output_token.p50", _("TPOT p50"), _("TPOT p50"), 9),
    _of("requests.time_per_output_token.p95", _("TPOT p95"), _("TPOT p95"), 9),
    RunColumn(GOODPUT, _("goodput"), _("goodput"), "count", 8, 0, _MOST, _LEAST, better="higher"),
    _load("requests.request_rate", _("req/s"), _("request rate"), 7),
    _load("requests.input_tokens", _("input"), _("input length"), 7),
    _load("requests.output_tokens", _("output"), _("output length"), 7),
    RunColumn(LENGTH, _("length s"), _("length"), "count", 9, 0, _("longest first"), _("shortest first")),
    RunColumn(SHAPE, _("engine, shape"), _("engine and shape"), "text", 14, 0, *_TEXT),
)
BY_NAME: Mapping[str, RunColumn] = {column.name: column for column in FIXED}
# What a run tells besides its metrics.
PLAIN = frozenset({NAME, START, VERDICT, WORST, SHAPE, LENGTH})


def other(key: str, metric: Metric) -> RunColumn:
    """Return the column of a metric that is not among those shown at first."""
    title = metric.label
    width = max(cell_len(title) + 1, 8)
    down, up = (_HIGH, _LOW) if metric.better != "neither" else (_MOST, _LEAST)
    return RunColumn(key, title, title, "count", width, 0, down, up, metric=metric, better=metric.better)


def scaled(metric: Metric, value: float) -> float:
    """Return a value in the unit in which it is shown: shares in percent."""
    return 100 * value if metric.unit == _("share") else value


def unit_of(metric: Metric) -> str:
    """Return the unit of values as `written` leaves it out."""
    return "%" if metric.unit == _("share") else metric.unit


def named(column: RunColumn, metric: Metric | None) -> str:
    """Return what a column shows, with its unit."""
    if metric is None or not (unit := unit_of(metric)) or unit == _("max/mean"):
        return column.words
    return with_comma(column.words, unit)


def seconds(value: float) -> str:
    """Return a length in seconds as it stands in the table."""
    return number(round(value, 1) if value < 100 else round(value))
