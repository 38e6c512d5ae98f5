"""Each finding's value once more, by plain loops over the raw files."""

from __future__ import annotations

import ast
import csv
import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median

import numpy as np
import pytest

from lbtui.findings import Finding, find_all
from lbtui.sources import open_profile
from lbtui.thresholds import Expected, Thresholds
from tests.findings import expert_cases
from tests.findings.service import Group, write_service
from tests.findings.test_cases import DECODE, LAYERS, PREFILL, RANKS, SLOTS, named, replace, write_experts
from tests.findings.test_cases import _even_counts as even_counts
from tests.findings.test_cases import _layer_each as layer_each
from tests.findings.test_cases import _placement as placement
from tests.findings.test_cases import _stalling as write_stalling
from tests.findings.test_cases import _times as write_times

DATA = Path(__file__).parents[1] / "data"
DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"
_ZONE = timedelta(hours=8)

Reading = tuple[float, float]  # seconds since 1970, value


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def seconds(text: str) -> float:
    """Return `2026-01-01 08:00:00[:fraction]` of Shanghai as seconds since 1970."""
    fraction = f"0.{text[20:]}" if len(text) > 19 else "0"
    return (datetime.fromisoformat(text[:19]) - _ZONE - datetime(1970, 1, 1)).total_seconds() + float(
        fraction
    )


def window_of(finding: Finding) -> tuple[float, float]:
    assert finding.window is not None
    begin, end = ((time - datetime(1970, 1, 1)).total_seconds() for time in finding.window)
    return begin, end


def only(folder: Path, id: str, **subject: object) -> Finding:
    found = [
        f
        for f in named(open_profile(folder), id)
        if all(f.subject.get(key) == value for key, value in subject.items())
    ]
    assert len(found) == 1
    return found[0]


def held_mean(readings: list[Reading], begin: float, end: float) -> float:
    """Return the mean over a window of readings that hold until the next; 0 before the first."""
    area = 0.0
    following = [*(time for time, _value in readings[1:]), end]
    for (time, value), until in zip(readings, following, strict=True):
        area += value * max(0.0, min(until, end) - max(time, begin))
    return area / (end - begin)


def schedulers(folder: Path) -> dict[int, int]:
    """Return pid -> dp_rank of the schedulers, which batch.csv names."""
    return {int(r["prof_id"].rsplit("-", 1)[1]): int(r["dp_rank"]) for r in rows(folder / "batch.csv")}


def waiting(folder: Path) -> dict[int, list[Reading]]:
    ranks = schedulers(folder)
    found: dict[int, list[Reading]] = defaultdict(list)
    for row in rows(folder / "request_status.csv"):
        if row["waiting"] and int(row["pid"]) in ranks:
            found[ranks[int(row["pid"])]].append((seconds(row["start_datetime"]), float(row["waiting"])))
    return found


def free_blocks(folder: Path) -> dict[int, list[Reading]]:
    """Return the readings of each dp_rank: a request's events are its domain's, which batch.csv tells.

    The parser mixes up rows of one instant: blocks fall as they are allocated and rise as they are freed.
    """
    owner = {}
    for row in rows(folder / "batch.csv"):
        for request in ast.literal_eval(row["res_list"]):
            owner[request["rid"]] = int(row["dp_rank"])
    found: dict[int, list[Reading]] = defaultdict(list)
    sign = {"Free": 1, "Allocate": -1, "AppendSlot": -1}
    events = sorted(
        rows(folder / "kvcache.csv"),
        key=lambda row: (seconds(row["start_time"]), sign[row["name"]] * float(row["device_kvcache_left"])),
    )
    for row in events:
        found[owner[row["rid"]]].append((seconds(row["start_time"]), float(row["device_kvcache_left"])))
    return found


def batch_mean(folder: Path, rank: int, begin: float, end: float) -> float:
    """Return a domain's mean batch size: a step holds over a bubble that is no longer than itself."""
    steps: dict[float, tuple[float, float]] = {}
    for row in rows(folder / "forward.csv"):
        if int(row["dp_rank"]) == rank:
            steps[float(row["start_time(ms)"]) / 1000] = (
                float(row["end_time(ms)"]) / 1000,
                float(row["batch_size"]),
            )
    ordered = sorted((start, *rest) for start, rest in steps.items())
    area = 0.0
    for i, (start, stop, size) in enumerate(ordered):
        following = ordered[i + 1][0] if i + 1 < len(ordered) else float("inf")
        until = following if 0 < following - stop <= stop - start else min(stop, following)
        area += size * max(0.0, min(until, end) - max(start, begin))
    return area / (end - begin)


def beside_peers(own: int, values: dict[int, float]) -> tuple[float, float]:
    return values[own], fmean(value for rank, value in values.items() if rank != own)


# ---- DP and KV ----------------------------------------------------------------------------------------


def test_batch_size_skew() -> None:
    finding = only(DATA / "csv_only", "dp.batch_size.skew", dp_rank=2)
    window = window_of(finding)
    own, peers = beside_peers(2, {rank: batch_mean(DATA / "csv_only", rank, *window) for rank in range(4)})
    assert finding.value == pytest.approx(own / peers, rel=1e-3)


def test_expected_of_a_domain() -> None:
    folder = DATA / "csv_only"
    limits = Thresholds(expected=Expected(domains=(("dp1", 0.8),)))
    (finding,) = [f for f in find_all(open_profile(folder), limits) if f.id == "dp.expected"]
    arrivals = [seconds(r["start_datetime"]) for r in rows(folder / "request.csv")]
    run = (min(arrivals), max(arrivals))
    own, peers = beside_peers(1, {rank: batch_mean(folder, rank, *run) for rank in range(4)})
    assert finding.value == pytest.approx(own / peers, rel=5e-3)
    assert finding.threshold == pytest.approx(0.8 / 1.4)


def test_queue_skew() -> None:
    finding = only(DATA / "csv_only", "dp.queue.skew", dp_rank=3)
    begin, end = window_of(finding)
    means = {rank: held_mean(each, begin, end) for rank, each in waiting(DATA / "csv_only").items()}
    own, peers = beside_peers(3, means)
    assert finding.value == pytest.approx(own - peers, rel=2e-3)
    assert finding.cost.value == pytest.approx((own - peers) * (end - begin), rel=2e-3)


def test_exhausted() -> None:
    folder = DATA / "csv_only"
    finding = only(folder, "kv.exhausted", dp_rank=3)
    free, queue = free_blocks(folder)[3], waiting(folder)[3]
    values = [value for _time, value in free]
    total = max(values)
    taken = [a - b for a, b in pairwise(values) if a > b]
    needed = max(median(taken), 0.05 * total)
    until = max(
        *(float(r["end_time(ms)"]) / 1e6 for r in rows(folder / "batch.csv")),
        *(float(r["end_time(ms)"]) / 1e3 for r in rows(folder / "forward.csv")),
        *(seconds(r["start_datetime"]) for r in rows(folder / "request_status.csv")),
        *(time for time, _value in free),
    )
    changes = sorted({time for time, _value in (*free, *queue) if time >= free[0][0]})
    starved = waited = 0.0
    for time, following in zip(changes, [*changes[1:], until], strict=True):
        left = [value for at, value in free if at <= time][-1]
        queued = [value for at, value in queue if at <= time]
        if left <= needed and left < total / 2 and queued and queued[-1] > 0:
            starved += following - time
            waited += queued[-1] * (following - time)
    assert finding.value == pytest.approx(starved / (until - free[0][0]), rel=1e-3)
    assert finding.cost.value == pytest.approx(waited, rel=1e-3)


def test_small_pool() -> None:
    finding = only(DATA / "csv_only", "kv.skew", dp_rank=3)
    most = {rank: max(v for _t, v in each) for rank, each in free_blocks(DATA / "csv_only").items()}
    assert finding.value == most[3] / median(most[rank] for rank in range(3))


def test_uneven_use_of_equal_pools(tmp_path: Path) -> None:
    folder = write_service(
        tmp_path, Group(pool=lambda _d: 120, blocks=lambda dp: 10 if dp == 2 else 2), kv=True
    )
    finding = only(folder, "kv.skew", dp_rank=2)
    begin, end = window_of(finding)
    used = {
        rank: held_mean([(t, 1 - v / max(x for _t, x in each)) for t, v in each], begin, end)
        for rank, each in free_blocks(folder).items()
    }
    own, peers = beside_peers(2, used)
    assert finding.value == pytest.approx(own / peers, rel=0.01)


def _durations(folder: Path) -> list[tuple[str, str, float, float]]:
    """Return (cell of equal load, card, start, duration) of each forward pass."""
    return [
        (
            f"{r['batch_type']} {r['batch_size']}",
            r["prof_id"],
            float(r["start_time(ms)"]),
            float(r["during_time(ms)"]),
        )
        for r in rows(folder / "forward.csv")
    ]


def test_slow_domain(tmp_path: Path) -> None:
    folder = write_service(tmp_path, Group(slow={(2, 0): 1.2}))
    finding = only(folder, "dp.straggler", dp_rank=2)
    passes = _durations(folder)
    slow = "ms_service_node-a-10021"
    took = expected = 0.0
    for cell, card, _start, length in passes:
        others = [each for at, other, _s, each in passes if at == cell and other != slow]
        if card == slow and others:
            took += length
            expected += fmean(others)
    assert finding.value == pytest.approx(took / expected, rel=1e-6)
    saved, length = _saved(passes, {slow}, lambda start, end: end - (end - start) * (1 - 1 / finding.value))
    assert finding.cost.value == pytest.approx(saved, rel=1e-3)  # times are in µs
    assert finding.cost.share == pytest.approx(saved / length, rel=1e-3)


def _common(passes: list[tuple[str, str, float, float]]) -> list[dict[str, tuple[float, float]]]:
    """Return the common steps: card -> (start, end), ms."""
    steps: list[dict[str, tuple[float, float]]] = []
    latest = -1.0
    for _cell, who, start, length in sorted(passes, key=lambda p: p[2]):
        if start >= latest:
            steps.append({})
        steps[-1][who] = start, start + length
        latest = max(latest, start + length)
    return steps


def _saved(
    passes: list[tuple[str, str, float, float]], cards: set[str], moved: Callable[[float, float], float]
) -> tuple[float, float]:
    """Return by how much the mean common step is shorter with the ends of `cards` moved, and its length."""
    steps = _common(passes)
    saved = length = 0.0
    for step in steps:
        last = max(end for _start, end in step.values())
        saved += last - max(moved(*own) if who in cards else own[1] for who, own in step.items())
        length += last - min(start for start, _end in step.values())
    return saved / len(steps), length / len(steps)


def test_slow_card(tmp_path: Path) -> None:
    folder = write_service(tmp_path, Group(domains=2, cards=2, slow={(1, 1): 1.3}))
    finding = only(folder, "dp.straggler", prof_id="ms_service_node-a-10012")
    by_step: dict[float, dict[str, float]] = defaultdict(dict)
    for _cell, card, start, length in _durations(folder):
        if card.startswith("ms_service_node-a-1001"):
            by_step[start][card] = length
    slow = sum(step["ms_service_node-a-10012"] for step in by_step.values())
    assert finding.value == pytest.approx(
        slow / sum(step["ms_service_node-a-10011"] for step in by_step.values()), rel=1e-6
    )


def test_long_bubble(tmp_path: Path) -> None:
    folder = write_service(tmp_path, Group(late={2: 6.0}))
    finding = only(folder, "dp.bubble.long", dp_rank=2)
    passes = _durations(folder)
    own = "ms_service_node-a-10021"
    late = [
        step[own][0] - fmean(start for who, (start, _end) in step.items() if who != own)
        for step in _common(passes)
        if own in step and len(step) > 1
    ]
    assert finding.value == pytest.approx(fmean(late) / fmean(p[3] for p in passes), rel=0.01)
    assert finding.value == pytest.approx(6.0 / fmean(p[3] for p in passes), rel=0.05)


def test_tokens_skew(tmp_path: Path) -> None:
    folder = write_service(tmp_path, Group(prompt={1: 4.0}))
    finding = only(folder, "dp.tokens.skew", dp_rank=1)
    tokens: dict[str, float] = defaultdict(float)
    assert finding.window is None
    for row in rows(folder / "batch.csv"):
        if row["name"] == "Execute":
            tokens[row["prof_id"]] += float(row["prefill_scheduled_tokens"])
    totals = sorted(tokens.values())
    assert finding.value == pytest.approx(totals[-1] / fmean(totals[:-1]), rel=0.02)


def test_stalled(tmp_path: Path) -> None:
    group = Group(stands={3: (15.0, 99.0)}, waiting=lambda dp, s: int(dp == 3 and s > 15))
    folder = write_service(tmp_path, group)
    finding = only(folder, "dp.stalled", dp_rank=3)
    last = max(p[2] + p[3] for p in _durations(folder) if p[1] == "ms_service_node-a-10031")
    until = max(
        *(p[2] + p[3] for p in _durations(folder)),
        *(float(r["end_time(ms)"]) / 1e3 for r in rows(folder / "batch.csv")),
        *(1000 * seconds(r["start_datetime"]) for r in rows(folder / "request_status.csv")),
    )
    assert finding.value == pytest.approx((until - last) / 1000, abs=0.01)


def test_idle(tmp_path: Path) -> None:
    folder = write_service(tmp_path, Group(rate=lambda dp, s: 0.0 if dp == 3 and s > 20 else 6.0))
    finding = only(folder, "dp.idle", dp_rank=3)
    passes = _durations(folder)
    own = [p[2] + p[3] for p in passes if p[1] == "ms_service_node-a-10031"]
    begun = [p[2] for p in passes if p[0].startswith("Prefill") and p[1] != "ms_service_node-a-10031"]
    arrivals = [1000 * seconds(r["start_datetime"]) for r in rows(folder / "request.csv")]
    begin = min(*arrivals, *(p[2] for p in passes))
    until = max(
        *(p[2] + p[3] for p in passes),
        *(float(r["end_time(ms)"]) / 1e3 for r in rows(folder / "batch.csv")),
        *(
            1000 * seconds(r["start_datetime"]) + float(r["execution_time(ms)"])
            for r in rows(folder / "request.csv")
        ),
    )
    assert finding.value == pytest.approx((max(begun) - max(own)) / (until - begin), rel=0.02)


# ---- P/D ----------------------------------------------------------------------------------------------


def test_node_skew(tmp_path: Path) -> None:
    (tmp_path / "coordinator.csv").write_bytes((DATA / "pd_ep" / "coordinator.csv").read_bytes())
    finding = only(tmp_path, "pd.node.skew", address="10.20.0.12:1025")
    added: dict[str, int] = defaultdict(int)
    for row in rows(tmp_path / "coordinator.csv"):
        if row["node_type"] == "prefill":
            added[row["address"]] += int(row["add_count"])
    mean = fmean(added.values())
    assert finding.value == pytest.approx(added["10.20.0.12:1025"] / mean)
    assert finding.cost.value == pytest.approx(added["10.20.0.12:1025"] - mean)


def test_expected_of_a_node(tmp_path: Path) -> None:
    (tmp_path / "coordinator.csv").write_bytes((DATA / "pd_ep" / "coordinator.csv").read_bytes())
    added: dict[str, int] = defaultdict(int)
    for row in rows(tmp_path / "coordinator.csv"):
        if row["node_type"] == "prefill":
            added[row["address"]] += int(row["add_count"])
    address = min(added, key=lambda a: added[a])
    limits = Thresholds(expected=Expected(nodes=((address, 0.5),)))
    (finding,) = [f for f in find_all(open_profile(tmp_path), limits) if f.id == "pd.expected"]
    share = 0.5 / (len(added) - 0.5)
    assert finding.value == pytest.approx(added[address] / (share * sum(added.values())))
    assert finding.expected == 0.5


def test_ratio(tmp_path: Path) -> None:
    prefill = replace(PREFILL, waiting=lambda dp, s: 2 + dp + int(s) % 3)
    folder = write_service(tmp_path, prefill, DECODE)
    finding = only(folder, "pd.ratio")
    arrivals = [seconds(r["start_datetime"]) for r in rows(folder / "request.csv")]
    queues = defaultdict(list)
    for row in rows(folder / "request_status.csv"):
        if row["waiting"] and row["hostuid"] == PREFILL.host:
            queues[row["pid"]].append((seconds(row["start_datetime"]), float(row["waiting"])))
    means = [held_mean(each, min(arrivals), max(arrivals)) for each in queues.values()]
    # Of two domains the median is the mean.
    assert finding.value == pytest.approx(fmean(means), rel=0.01)
    assert finding.cost.value == pytest.approx(sum(means), rel=0.01)


@pytest.mark.parametrize("stays_in", [True, False])
def test_stalled_node(tmp_path: Path, stays_in: bool) -> None:
    write_stalling(tmp_path, 30, stays_in=stays_in)
    finding = only(tmp_path, "pd.node.stalled", address="10.0.1.11:1025")
    table = rows(tmp_path / "coordinator.csv")
    own = [row for row in table if row["address"] == "10.0.1.11:1025"]
    times = [row["time"] for row in own]
    if stays_in:
        # From the last bin in which something ends to the last in which something is known to run.
        last = max(i for i, row in enumerate(own) if int(row["end_count"]))
        assert finding.value == 5.0 * (len(own) - last - 1)
        running = sum(int(row["add_count"]) - int(row["end_count"]) for row in own)
        assert finding.cost.value == running
    else:
        last = max(i for i, row in enumerate(own) if int(row["add_count"]))
        coming = max(times.index(row["time"]) for row in table if int(row["add_count"]))
        assert finding.value == 5.0 * (coming - last)
        peers = sum(int(row["add_count"]) for row in table if row["time"] > times[last])
        before = [row for row in table if row["time"] <= times[last]]
        got = sum(int(row["add_count"]) for row in before if row in own) + 1
        share = min(1 / 3, got / (sum(int(row["add_count"]) for row in before) + 3))
        assert finding.cost.value == pytest.approx(peers * share)


def test_slow_transfer() -> None:
    finding = only(DEMO, "pd.transfer.slow", rank=6)
    own, others = [], []
    for row in rows(DEMO / "pd_split_kvcache.csv"):
        (own if float(row["rank"]) == 6 else others).append(float(row["during_time(ms)"]))
    assert finding.value == pytest.approx(median(own) / median(others))
    assert finding.cost.value == pytest.approx(median(own) - median(others))


# ---- EP: pictures against the arrays behind them --------------------------------------------------------


def truth(view: str) -> list[np.ndarray]:
    return [np.load(DATA / "truth" / f"pd_ep_p{period}_by_{view}.npy") for period in range(3)]


def test_hot_rank() -> None:
    finding = only(DATA / "pd_ep_png", "ep.rank.hot", rank=3)
    expected = fmean(float(row[3] / row.mean()) for share in truth("rank") for row in share)
    assert finding.value == pytest.approx(expected, rel=0.01)


def test_skew() -> None:
    finding = only(DATA / "pd_ep_png", "ep.skew")
    means = [fmean(float(row.max() / row.mean()) for row in share) for share in truth("rank")]
    assert finding.value == pytest.approx(max(means), rel=0.01)
    assert finding.subject["period"] == int(np.argmax(means))
    shares = truth("rank")[int(np.argmax(means))]
    assert finding.cost.value == pytest.approx(fmean(float(1 - r.mean() / r.max()) for r in shares), rel=0.02)


def test_hot_expert_of_one_layer() -> None:
    finding = only(DATA / "pd_ep_png", "ep.expert.hot", expert=120, layer=10)
    slots = truth("expert")[0].shape[1]
    assert finding.value == pytest.approx(
        fmean(float(share[10, 120] * slots) for share in truth("model_expert")), rel=0.02
    )


def test_hot_expert_of_all_layers() -> None:
    finding = only(DATA / "pd_ep_png", "ep.expert.hot", expert=37)
    slots = truth("expert")[0].shape[1]
    ratios = [float(row[37] * slots) for share in truth("model_expert") for row in share]
    # Where it is warm: at least 0.6 of the threshold of 4.5. A picture may put some on the other side.
    assert finding.value == pytest.approx(fmean(r for r in ratios if r >= 2.7), rel=0.03)


def test_eplb_without_effect() -> None:
    finding = only(DATA / "pd_ep_png", "ep.eplb.ineffective")
    later = [float(row.max() / row.mean()) for share in truth("rank")[1:] for row in share]
    assert finding.value == pytest.approx(fmean(later), rel=0.01)


def expert_tables(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return by period the tokens [layer, rank, slot] and the experts there, by profiler.db alone."""
    with sqlite3.connect(folder / "profiler.db") as db:
        marks = [json.loads(args) for (args,) in db.execute("select args from slice order by timestamp")]
    periods: list[tuple[dict[int, list[list[int]]], dict[int, list[list[int]]]]] = []
    for mark in marks[: -expert_cases.RANKS]:  # the parser drops the last
        rank = int(mark["rank"])
        if "expert_routing" in mark:
            if rank == 0:
                periods.append(({}, {}))
            periods[-1][1][rank] = mark["expert_routing"]
        else:
            periods[-1][0][rank] = mark["expert_hot"]  # cumulative: the last of a period counts
    found = []
    for hot, routing in periods:
        tokens = np.array([hot[rank] for rank in range(expert_cases.RANKS)]).swapaxes(0, 1)
        experts = np.full(tokens.shape, -1)
        for layer, row in enumerate(routing[0]):
            for expert, slot in enumerate(row[:-1]):
                experts[layer, slot // expert_cases.SLOTS, slot % expert_cases.SLOTS] = expert
        found.append((tokens, experts))
    return found


def uneven(tokens: np.ndarray) -> list[float]:
    """Return max / mean over ranks of each layer."""
    return [float(max(layer) / fmean(layer)) for layer in tokens.sum(axis=2).tolist()]


def test_eplb_that_makes_it_worse(tmp_path: Path) -> None:
    finding = only(expert_cases.worse(tmp_path), "ep.eplb.worse")
    first, *later = [uneven(tokens) for tokens, _experts in expert_tables(tmp_path)]
    now = [fmean(pars) for pars in zip(*later, strict=True)]
    assert finding.value == pytest.approx(fmean(now))
    lost = fmean(1 - 1 / after - (1 - 1 / before) for before, after in zip(first, now, strict=True))
    assert finding.cost.value == finding.cost.share == pytest.approx(lost)


def test_heat_that_moves(tmp_path: Path) -> None:
    finding = only(expert_cases.moving(tmp_path), "ep.heat.moves")
    tables = expert_tables(tmp_path)
    moved, lost = [], []
    for (before, held), (after, holds) in pairwise(tables):
        heats = []
        for tokens, experts in ((before, held), (after, holds)):
            heat = np.zeros((expert_cases.LAYERS, expert_cases.ROUTED))
            for place in np.argwhere(experts >= 0).tolist():
                layer, rank, slot = place
                heat[layer, experts[layer, rank, slot]] += tokens[layer, rank, slot]
            heats.append(heat)
        shares = [heat / heat.sum(axis=1, keepdims=True) for heat in heats]
        moved += [0.5 * sum(abs(a - b) for a, b in zip(*rows, strict=True)) for rows in zip(*shares)]  # noqa: B905
        fitted, relative = after.astype(float), []
        for layer, rank, slot in np.argwhere(holds >= 0).tolist():
            scale = heats[1][layer].sum() / heats[0][layer].sum()
            fitted[layer, rank, slot] = scale * heats[0][layer, holds[layer, rank, slot]]
        for tokens in (after.sum(axis=2), fitted.sum(axis=2)):
            relative.append(tokens / tokens.mean(axis=1, keepdims=True))
        of_rank = (relative[0] - relative[1]).mean(axis=0)
        for own, made_of in zip(relative[0] - of_rank, relative[1], strict=True):
            lost.append(fmean(made_of) / max(made_of) - fmean(own) / max(own))
    assert finding.value == pytest.approx(fmean(moved))
    assert finding.cost.value == finding.cost.share == pytest.approx(fmean(lost))


def test_more_hot_experts(tmp_path: Path) -> None:
    counts = layer_each(7)
    write_experts(tmp_path, [counts], [placement(0)], SLOTS)
    finding = only(tmp_path, "ep.expert.more")
    hot, costs = 0, []
    for row in counts:
        loads = np.array(row).reshape(RANKS, SLOTS).sum(axis=1)
        for slot, tokens in enumerate(row):
            lift = (tokens - fmean(row)) / fmean(loads)
            if tokens >= 4.5 * fmean(row) and lift >= 0.18:
                hot += 1
                eased = loads / fmean(loads)
                before = (max(eased) - fmean(eased), max(eased))
                eased[slot // SLOTS] -= lift
                costs.append((before[0] - (max(eased) - fmean(eased))) / before[1] / LAYERS)
    assert finding.value == hot - 5
    # The five that cost most are listed.
    assert finding.cost.value == pytest.approx(sum(sorted(costs)[:-5]))


def test_slow_rank(tmp_path: Path) -> None:
    write_times(tmp_path, {5: 1.3})
    write_experts(tmp_path, [even_counts(1)], None, SLOTS)
    finding = only(tmp_path, "ep.rank.slow", rank=5)
    layers = [[int(cell) for cell in row.values()] for row in rows(tmp_path / "ep_balance.csv")]
    assert (len(layers), len(layers[0])) == (LAYERS, RANKS)
    ratio = fmean(layer[5] / median(layer) for layer in layers)
    assert finding.value == pytest.approx(ratio)
    assert finding.cost.value == pytest.approx(1 - 1 / ratio)


def test_hot_rank_by_time(tmp_path: Path) -> None:
    write_times(tmp_path, {5: 1.3})
    finding = only(tmp_path, "ep.rank.hot", rank=5)
    layers = [[int(cell) for cell in row.values()] for row in rows(tmp_path / "ep_balance.csv")]
    assert finding.value == pytest.approx(fmean(layer[5] / fmean(layer) for layer in layers))


def test_waiting_for_the_hot_rank() -> None:
    finding = only(DATA / "pd_ep_png", "ep.rank.hot", rank=3)
    load = sum(share / share.mean(axis=1, keepdims=True) for share in truth("rank")) / 3
    expected = []
    for row in load:
        peers = [value for rank, value in enumerate(row) if rank != 3]
        eased = [*peers, min(float(row[3]), fmean(peers))]
        # What ranks wait less, of the time as it is: a share of the shorter time would not be its difference.
        expected.append(((max(row) - fmean(row)) - (max(eased) - fmean(eased))) / max(row))
    assert finding.cost.value == pytest.approx(fmean(expected), rel=0.02)
