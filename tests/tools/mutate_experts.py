"""Broken and hostile raw profiles, expert dumps, counts and placements, the same for the same seed."""

import copy
import io
import json
import random
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import numpy as np

from tests.tools.expert_format import RawMark, dump_config, placement_of, write_dump, write_raw
from tests.tools.mutate import BYTES, FOLDERS, HOSTILE, Case, csv_sample, mutate_csv, mutate_database

_LAYERS, _SLOTS = 3, 2
_VALUES = (
    None, True, -1, 0, 1, 7, 10**9, 2**31, 2**53, 2**63, 10**40, 1.5, 1e308, "", "1", "x", [], {}, [[]],
    [1, "a"],
    [[1, 2], [3]], [[[1]]], [[-1, 2]], [[10**18] * 4] * 3, "9" * 30, [None] * 3, {"a": [1]},
)  # fmt: skip


def _value(rng: random.Random) -> object:
    return rng.choice(HOSTILE) if rng.random() < 0.15 else copy.deepcopy(rng.choice(_VALUES))


def _spoil(rng: random.Random, content: object, share: float = 0.05) -> object:
    """Return JSON with a part of its members replaced, removed or doubled."""
    if isinstance(content, dict):
        found = {}
        for key, value in content.items():
            fate = rng.random()
            if fate < share / 3:
                continue
            name = rng.choice(HOSTILE) if fate < share / 2 else key
            found[name] = _value(rng) if share / 2 < fate < share else _spoil(rng, value, share)
        return found
    if isinstance(content, list):
        kept = [
            _value(rng) if rng.random() < share else _spoil(rng, value, share)
            for value in content
            if rng.random() > share / 3
        ]
        return kept * 2 if rng.random() < share / 3 else kept
    return content


# Raw profiles


def _marks(rng: random.Random, rank: int, ranks: int) -> list[RawMark]:
    slots = list(range(ranks * _SLOTS))
    marks, time = [], 10**18
    for _period in range(rng.choice((1, 1, 2, 3))):
        if rng.random() < 0.8:
            routing = [rng.sample(slots, len(slots)) for _layer in range(_LAYERS)]
            marks.append(RawMark(time, {"rank": rank, "expert_routing": routing}))
        counts = [[0] * _SLOTS for _layer in range(_LAYERS)]
        for _reading in range(rng.choice((0, 1, 2, 4))):
            time += 10**9
            counts = [[cell + rng.randrange(50) for cell in row] for row in counts]
            marks.append(RawMark(time, {"rank": rank, "expert_hot": counts}))
    return marks


def _odd_marks(rng: random.Random, marks: list[RawMark]) -> list[RawMark]:
    change = rng.choice(("fields", "fields", "order", "times", "domain", "rank", "none", "twice"))
    if change == "fields":
        share = rng.choice((0.01, 0.1))
        spoilt = (_spoil(rng, dict(mark.fields), share) for mark in marks)
        return [mark._replace(fields=fields) for mark, fields in zip(marks, spoilt, strict=True)]
    if change == "order":
        return rng.sample(marks, len(marks))
    if change == "times":
        return [m._replace(time_ns=rng.choice((0, -1, 2**62, m.time_ns))) for m in marks]
    if change == "domain":
        return [m._replace(domain=rng.choice((*HOSTILE[:5], "Request", "eplb_observe"))) for m in marks]
    if change == "rank":
        rank = rng.choice((0, -1, 10**5, 2**31 - 1, 2**31, 10**12, "1", 0.5, None))
        return [mark._replace(fields={**mark.fields, "rank": rank}) for mark in marks]
    return marks * 2 if change == "twice" else []


def _write_raw(rng: random.Random, case: Case, folder: Path | None = None) -> None:
    ranks = rng.choice((1, 2, 3))
    place = folder or case.path
    broken = rng.sample(range(ranks), rng.choice((1, ranks)))
    written = []
    for rank in range(ranks):
        marks = _marks(rng, rank, ranks)
        host = "server-d0-worker-0"
        meta = None
        if rank in broken:
            marks = _odd_marks(rng, marks)
            meta = {"hostname": rng.choice((*HOSTILE, "a", ""))} if rng.random() < 0.2 else None
        layout = rng.choice(("mstx", "mstx", "slice"))
        path = write_raw(
            place / f"{rank % 2}", host, 100 + rank, marks, layout=layout, hats=rng.random() < 0.2, meta=meta
        )
        written.append(path)
    case.done.append("raw profile: marks")
    for path in written:
        if rng.random() < 0.35:
            case.done.append(f"raw profile: {mutate_database(rng, path)}")
        elif rng.random() < 0.3:
            with closing(sqlite3.connect(path)) as db, suppress(sqlite3.Error):
                change = rng.choice(
                    ("substr(message, 1, length(message) - 9)", "message || message", "NULL", "7")
                )
                db.execute(f"UPDATE Mstx SET message = {change} WHERE markId % 2")
                db.execute(
                    f"UPDATE Mstx SET markId = {rng.choice(('NULL', '5', '-markId', '1e30', 'markId'))}"
                )
                db.commit()
            case.done.append("raw profile: messages")


# Dumps and placements


def _write_dump(rng: random.Random, case: Case, folder: Path | None = None) -> None:
    place = folder or case.path
    for phase in rng.choice((("decode",), ("prefill",), ("prefill", "decode"))):
        ranks = {}
        for rank in range(rng.choice((1, 2, 4))):
            counts = [[0] * _SLOTS for _layer in range(_LAYERS)]
            blocks = []
            for _block in range(rng.choice((1, 2, 5))):
                counts = [[cell + rng.randrange(90) for cell in row] for row in counts]
                blocks.append(counts)
            ranks[rank] = blocks
        config = dump_config(_LAYERS, len(ranks) * _SLOTS)
        if rng.random() < 0.3:
            config["eplb_expert_map_file"] = rng.choice(("/x/expert_map.json", *HOSTILE[:9]))
            layers = [[[rng.randrange(6) for _s in range(_SLOTS)] for _r in ranks] for _l in range(_LAYERS)]
            (place / "expert_map.json").write_bytes(_placement(rng, layers))
        target = write_dump(place, phase, ranks, config, mirror=rng.random() < 0.4)
        for path in sorted(target.glob("*.csv")):
            if rng.random() < 0.35:
                raw, done = mutate_csv(rng, path.read_bytes())
                path.write_bytes(raw)
                case.done.append(f"dump: {done}")
        if rng.random() < 0.4:
            path = target / "model_gen_config.json"
            spoilt = json.dumps(_spoil(rng, config, 0.3)).encode()
            path.write_bytes(BYTES[rng.choice(sorted(BYTES))](rng, spoilt) if rng.random() < 0.3 else spoilt)
            case.done.append("dump: config")
        if rng.random() < 0.1:
            shutil.copytree(target, place / "node1" / phase)
    case.done.append("dump: written")


def _placement(rng: random.Random, layers: list[list[list[int]]]) -> bytes:
    flat = [[expert for device in layer for expert in device] for layer in layers]
    content = rng.choices(
        (
            placement_of(layers),
            {"layer_list": [{"device_list": [{"device_expert": d} for d in layer]} for layer in layers]},
            {"physical_to_logical_map": flat, "ep_size": rng.choice((3, 2, None, "3"))},
            {"model_maps": {rng.choice(HOSTILE): {"physical_to_logical_map": flat}}},
            layers,
        ),
        (50, 15, 15, 10, 10),
    )[0]
    spoilt = content if rng.random() < 0.3 else _spoil(rng, content, rng.choice((0.01, 0.1)))
    raw = json.dumps(spoilt).encode()
    return BYTES[rng.choice(sorted(BYTES))](rng, raw) if rng.random() < 0.3 else raw


def _write_placement(rng: random.Random, case: Case, folder: Path | None = None) -> None:
    layers = [
        [[rng.randrange(9) for _slot in range(rng.choice((1, 2)))] for _device in range(3)]
        for _layer in range(rng.choice((1, 3)))
    ]
    path = (folder or case.path) / rng.choice(("expert_map.json", "decode_global_deployment.json"))
    path.write_bytes(_placement(rng, layers))
    case.done.append("placement: written")


# Counts


def _array(rng: random.Random) -> np.ndarray:
    shape = rng.choice(((3, 6), (3, 6), (4, 3, 6), (4, 3, 6), (6,), (1, 1, 1), (0, 3), (2, 2, 2, 2), ()))
    counts = np.array([rng.randrange(90) for _cell in range(int(np.prod(shape)))]).reshape(shape)
    odd = rng.random()
    if odd < 0.2:
        counts = counts * rng.choice((0, -1, 2**40, 2**58))
    dtype = rng.choice(("i8", "i8", ">i4", "u2", "u8", "f8", "f4", "f2", "c16", "?", "S3", "O", "M8[s]"))
    with np.errstate(all="ignore"):
        counts = counts.astype(dtype)
    if odd > 0.9 and counts.dtype.kind == "f" and counts.size:
        counts.flat[0] = rng.choice((np.nan, np.inf, 0.5, -0.0, 1e300))
    return np.asfortranarray(counts) if rng.random() < 0.2 else counts


def _table(rng: random.Random) -> bytes:
    counts = [[rng.randrange(90) for _expert in range(6)] for _layer in range(3)]
    long = [[layer, expert, count] for layer, row in enumerate(counts) for expert, count in enumerate(row)]
    rows = rng.choice(
        (
            [["layer_id", "expert_id", "count"], *long],
            [["step", "layer", "expert", "tokens"], *([0, *row] for row in long)],
            long,
            counts,
            [["layer", *range(6)], *([layer, *row] for layer, row in enumerate(counts))],
            [[f"expert{expert}" for expert in range(6)], *counts],
        )
    )
    return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()


def _write_counts(rng: random.Random, case: Case, folder: Path | None = None) -> None:
    place = folder or case.path
    kind = rng.choice(("npy", "npy", "csv", "csv", "json", "pt"))
    if kind == "npy":
        held = io.BytesIO()
        np.save(held, _array(rng), allow_pickle=True)
        raw = held.getvalue()
    elif kind == "csv":
        raw = _table(rng)
        raw = mutate_csv(rng, raw)[0] if rng.random() < 0.6 else raw
    else:
        counts = [[rng.randrange(90) for _expert in range(6)] for _layer in range(3)]
        content = {"logical_count": counts, "physical_to_logical_map": [list(range(6))] * 3, "ep_size": 3}
        raw = json.dumps(_spoil(rng, content, rng.choice((0.01, 0.1)))).encode()
    if rng.random() < 0.4:
        raw = BYTES[rng.choice(sorted(BYTES))](rng, raw)
    name = rng.choice(("load", "expert_distribution_rank0_timestamp17.5", "expert_counts"))
    (place / f"{name if kind != 'json' else 'logical_count'}.{kind}").write_bytes(raw)
    if rng.random() < 0.5:
        layers = [[[0, 1], [2, 3], [4, 5]] for _layer in range(3)]
        raw = json.dumps(placement_of(layers)).encode() if rng.random() < 0.7 else _placement(rng, layers)
        (place / "expert_map.json").write_bytes(raw)
    case.done.append(f"counts: {kind}")


KINDS = {
    "counts": _write_counts,
    "mindie_dump": _write_dump,
    "placement": _write_placement,
    "raw_profile": _write_raw,
}


def write_case(rng: random.Random, case: Case) -> None:
    """Write an input of one kind into the case's folder, alone or to be given beside an output."""
    (kind,) = rng.choices(sorted(KINDS), [25, 30, 15, 30])
    if rng.random() < 0.25:
        inner = case.path / "output"
        inner.mkdir()
        for name in ("forward", "batch"):
            (inner / f"{name}.csv").write_bytes(csv_sample(f"csv_only/{name}"))
        beside = case.path / "beside"
        beside.mkdir()
        KINDS[kind](rng, case, beside)
        case.path = inner
        if kind == "placement":
            case.placement = next(beside.iterdir())
        else:
            case.experts = beside
    else:
        KINDS[kind](rng, case)
        if rng.random() < 0.08:
            rng.choice(FOLDERS)(rng, case)
