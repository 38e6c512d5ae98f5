"""Runs that nobody recorded, always the same: of three engines, read and unread, with all that is made of it.

What a screen of them shows does not depend on how summaries, verdicts or changes come about.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from lbtui.comparison import Metric, Row, Verdict, metrics
from lbtui.overview.model import Place
from lbtui.profile import Profile, Reading
from lbtui.render.capabilities import Capabilities
from lbtui.runs.found import Together
from lbtui.runs.model import Measure, Parameter, Run, RunSummary, Shape, Worst
from lbtui.runs.together import Change, Point, Series, Sweep, Trends, Tried
from lbtui.runs.verdicts import Judged
from lbtui.sources.runs_below import Found
from lbtui.ui.app import LbtuiApp
from lbtui.ui.many import ManyRuns
from lbtui.ui.panes.runs.pane import RunsPane
from lbtui.ui.panes.runs.state import Kept

FOLDER = Path("/data/runs")
BEGIN = 1_767_225_600_000_000  # 2026-01-01 00:00 UTC
HOUR = 3_600_000_000
MINDIE = Shape("MindIE", (8, 2), (("prefill", 2), ("decode", 4)), (16,))
VLLM = Shape("vLLM", (4,), (), (8,))
SGLANG = Shape("SGLang", (8,))
_COUNT = 16  # of the days on MindIE
_STEP = 11  # the first day of them on which the load is not even any more
TTFT50 = metrics.percentile("ttft", "TTFT", 0.5, "requests")
TTFT95 = metrics.percentile("ttft", "TTFT", 0.95, "requests")
TPOT50 = metrics.percentile("time_per_output_token", "time per output token", 0.5, "requests")
TPOT95 = metrics.percentile("time_per_output_token", "time per output token", 0.95, "requests")
_OF_INSTANCE = (metrics.BATCH_SIZE_PAR, metrics.STEP_TIME_PAR, metrics.WASTED_SHARE, metrics.WAITING)
_OVERLOADED = "svc-d0/dp5 carries 2.4× its peers' batch: 12 % of the step time is waited for it."


def _measures(values: Mapping[Metric, float], rng: Random, shape: Shape) -> Iterator[Measure]:
    for metric, value in values.items():
        spread = value * rng.uniform(0.02, 0.05)
        chance = round(1 + (value - 1) * 0.3, 3) if metric.key == "batch_size.par" else None
        subject = "mindie-d0" if metric.dimension in ("dp", "kv") else ""
        subject = "decode" if metric.dimension == "pd" else subject
        yield Measure(metric, subject, value, value - spread, value + spread, chance)
    if len(shape.domains) > 1:
        yield Measure(metrics.BATCH_SIZE_PAR, "mindie-p0", 1.02, 1.01, 1.04, 1.01)


def _values(day: int, rng: Random, shape: Shape) -> dict[Metric, float]:
    """Return the metrics of a day: from the 12th on batches are uneven, and TTFT rises 2 % a day."""
    uneven = 1.3 if day >= _STEP else 1.0
    slow = 1.02**day

    def about(value: float, spread: float = 0.02) -> float:
        return value * rng.uniform(1 - spread, 1 + spread)

    found = {
        metrics.REQUEST_RATE: about(6.2, 0.01),
        metrics.INPUT_TOKENS: about(1480, 0.01),
        metrics.OUTPUT_TOKENS: about(312, 0.01),
        metrics.BATCH_SIZE_PAR: about(1.18) * uneven,
        metrics.STEP_TIME_PAR: about(1.06) * (1.04 if day >= _STEP else 1.0),
        metrics.WASTED_SHARE: about(0.041) * uneven**3,
        metrics.WAITING: about(2.4, 0.2),
        metrics.KV_PAR: about(1.24),
        metrics.KV_FULLEST: about(0.71),
        TTFT50: about(310) * slow,
        TTFT95: about(820, 0.04) * slow,
        TPOT50: about(31),
        TPOT95: about(48) * uneven**0.5,
    }
    if shape.nodes:
        found[metrics.NODE_PAR] = about(1.12)
    if shape.ranks:
        found[metrics.MEAN_LAYER_PAR] = about(1.47)
    return found


def _summary(day: int, shape: Shape, seed: int) -> RunSummary:
    rng = Random(seed)
    start = BEGIN + day * 24 * HOUR + rng.randrange(HOUR)
    length = round(rng.uniform(580, 640) * 1_000_000)
    measures = [*_measures(_values(day, rng, shape), rng, shape)]
    if shape is MINDIE:
        absent = "the trace tells no transfers"
        measures.append(Measure(metrics.KV_READY, absent=absent))
    worst, findings = None, {"warning": 1}
    if day >= _STEP and shape is MINDIE:
        worst, findings = Worst("dp.overloaded", "critical", _OVERLOADED), {"critical": 1, "warning": 2}
    elif day % 3 == 0:
        message = "10.20.0.12 takes 61 % of all prefills of 2 nodes."
        worst = Worst("pd.prefill-skew", "warning", message)
    return RunSummary(
        identity=f"{seed}",
        start=start,
        end=start + length,
        shape=shape,
        measures=tuple(measures),
        worst=worst,
        findings=findings if worst else {},
        notes=("queue.csv: 3 rows have no time and are left out.",) if day == 4 else (),
        seconds=1.5,
    )


def _run(name: str, **known: object) -> Run:
    return replace(Run(name, Reading(FOLDER / name)), **known)  # type: ignore[arg-type]


def made_up() -> tuple[Run, ...]:
    """Return the runs, newest first but for what is not read, as an app may have them."""
    runs = [_run(f"nightly/01-{day + 1:02d}", summary=_summary(day, MINDIE, day)) for day in range(_COUNT)]
    runs[7] = replace(runs[7], note="new routing from here on")
    runs += [
        _run("vllm/baseline", summary=_summary(3, VLLM, 100)),
        _run("vllm/prefix-cache", summary=_summary(9, VLLM, 101)),
        _run("sglang/first try", summary=_summary(5, SGLANG, 102)),
        _run("broken", problem="batch.csv: no column tells a time; parse the profile again.", start=BEGIN),
        _run("nightly/01-17", start=BEGIN + 16 * 24 * HOUR, shape=MINDIE),
        replace(_run("raw/PROF_0118"), reading=Reading(FOLDER / "raw" / "PROF_0118", raw=True)),
    ]
    return tuple(reversed(runs))


def judged(runs: Sequence[Run], baseline: str) -> dict[str, Judged]:
    """Return verdicts against a run: what is 10 % off counts, where the shapes are equal."""
    by_name = {run.name: run for run in runs}
    base = by_name[baseline].summary
    assert base is not None
    found = {}
    for run in runs:
        if run.name == baseline or run.summary is None:
            continue
        if run.summary.shape != base.shape:
            found[run.name] = Judged(why="the shapes differ")
            continue
        found[run.name] = Judged(tuple(_rows(base, run.summary)))
    return found


def _rows(base: RunSummary, after: RunSummary) -> Iterator[Row]:
    for one in base.measures:
        same = next((o for o in after.measures if (o.key, o.subject) == (one.key, one.subject)), None)
        if same is None or not same.known:
            continue
        ratio = same.value / one.value
        verdict: Verdict = "worse" if ratio > 1.1 else "better" if ratio < 0.9 else "no_evidence"
        if one.metric.better == "neither" and verdict != "no_evidence":
            verdict = "not_comparable"
        p_value = 0.5 if verdict == "no_evidence" else 0.001
        place = Place(instance=one.subject or None)
        yield Row(one.metric, place, verdict, one.value, same.value, p_value=p_value, adjusted=p_value)


def trends(runs: Sequence[Run]) -> Trends:
    """Return what went on over the days on MindIE: a step, a drift, and what stayed."""
    days = [place for place in reversed(range(len(runs))) if _is_day(runs[place])]
    found = []
    for metric in (
        *(metrics.REQUEST_RATE, metrics.INPUT_TOKENS, metrics.OUTPUT_TOKENS, *_OF_INSTANCE),
        *(metrics.KV_FULLEST, metrics.NODE_PAR, metrics.MEAN_LAYER_PAR, TTFT50, TTFT95, TPOT50, TPOT95),
    ):
        points = tuple(_point(runs, place, metric) for place in days)
        found.append(Series(metric, "", MINDIE, points, tuple(_changes(metric, points))))
    few = tuple(_point(runs, p, TTFT95) for p in range(len(runs)) if runs[p].name.startswith("vllm"))
    found.append(Series(TTFT95, "", VLLM, few, why="2 runs of this shape: 8 are needed"))
    return Trends(tuple(found), ("3 runs of other shapes have series of their own.",))


def _is_day(run: Run) -> bool:
    return run.name.startswith("nightly") and run.summary is not None


def _point(runs: Sequence[Run], place: int, metric: Metric) -> Point:
    summary = runs[place].summary
    assert summary is not None
    worst = summary.worst_of(f"{metric.dimension}.{metric.key}")
    assert worst is not None
    return Point(place, worst.value, worst.low, worst.high)


def _changes(metric: Metric, points: Sequence[Point]) -> Iterator[Change]:
    last = len(points) - 1
    values = [point.value for point in points]
    if metric in (metrics.BATCH_SIZE_PAR, metrics.WASTED_SHARE):
        before = sum(values[:_STEP]) / _STEP
        after = sum(values[_STEP:]) / (len(values) - _STEP)
        yield Change("step", _STEP, 0, last, before, after, 0.0004, math.nan, worse=True)
    if metric in (TTFT50, TTFT95):
        yield Change("drift", 0, 0, last, values[0], values[0] * 1.02**last, 0.003, 1.02, worse=True)


def sweep() -> Sweep:
    """Return what was tried of two parameters, rows of an optimizer among them."""
    rng = Random(7)
    tried = []
    for policy, gain in (("least_loaded", 1.12), ("random", 0.94), ("rr", 1.0)):
        for nodes in (1, 2, 3, 4):
            goodput = gain * 2.1 * nodes**0.7 * rng.uniform(0.95, 1.05)
            slow = 380 * nodes**0.8 / gain**2
            figures = {
                "requests.goodput": goodput,
                "requests.ttft.p95": slow * rng.uniform(0.9, 1.1),
                "requests.time_per_output_token.p95": (30 + 6 * nodes) / gain * rng.uniform(0.95, 1.05),
                "dp.batch_size.par": 1.5 / gain + rng.uniform(0, 0.1),
            }
            parameters: dict[str, Parameter] = {"dp_policy": policy, "p_nodes": float(nodes)}
            tried.append(Tried(f"dp_policy={policy},p_nodes={nodes}", None, parameters, figures))
    unknown: dict[str, Parameter] = {"dp_policy": "rr", "p_nodes": 5.0}
    tried.append(Tried("dp_policy=rr,p_nodes=5", 0, unknown, {}))
    both = [
        (one.figures.get("requests.goodput", 0.0), one.figures.get("requests.ttft.p95", math.inf))
        for one in tried
    ]

    def best(place: int) -> bool:
        up, down = both[place]
        return up > 0 and not any(u >= up and d <= down and (u, d) != (up, down) for u, d in both)

    marked = tuple(replace(one, front=best(place)) for place, one in enumerate(tried))
    return Sweep(("dp_policy", "p_nodes"), marked, "requests.goodput", "requests.ttft.p95")


def pane(profile: Profile, caps: Capabilities, kept: Kept | None = None) -> RunsPane:
    """Return the pane with all of it but verdicts."""
    runs = made_up()
    made = RunsPane(profile, caps, FOLDER, runs, kept)
    made.take(runs, None, trends(runs), sweep())
    return made


def stand_over(app: LbtuiApp) -> None:
    """Show them in an app that found them, as if its children had read them."""
    runs = made_up()
    many = ManyRuns(app.asked, Together(Found(FOLDER, ())), runs)

    def work_out(_many: ManyRuns) -> None:
        verdicts = {} if many.baseline is None else judged(runs, many.baseline.name)
        if many.pane is not None:
            many.pane.take(many.runs, verdicts, trends(runs), sweep())

    # What is still to be read is never.
    setattr(app, "_work_out", work_out)  # noqa: B010
    app.many = many
    app.show_runs()
