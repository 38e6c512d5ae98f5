"""Big inputs in the parser's formats, seeded, with a domain whose batch doubles; written chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from tests.tools.parser_format import HEADERS

DOMAINS = 8
CARDS = 4  # of a domain
FAULTY = 3  # this domain's batch doubles in the middle fifth of the time
_BEGIN_MS = 1_767_225_600_000.0  # 2026-01-01 08:00 in Shanghai
_ROUND_MS = 30.0
_CHUNK = 8_192  # rounds
_SHANGHAI_US = 8 * 3600 * 1_000_000
HOST = "node-a"

_Numbers = npt.NDArray[np.float64]


def rounds(total: int, seed: int) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Yield the number of the first round of each chunk and its batch sizes [round, domain]."""
    random = np.random.default_rng(seed)
    for first in range(0, total, _CHUNK):
        count = min(_CHUNK, total - first)
        sizes = random.poisson(12, (count, DOMAINS)).clip(1)
        number = np.arange(first, first + count)
        doubled = (number >= 0.4 * total) & (number < 0.6 * total)
        sizes[doubled, FAULTY] *= 2
        # A step of more would last longer than a round.
        sizes = sizes.clip(max=36)
        yield first, sizes


def _text(column: str) -> pl.Expr:
    """Return epoch milliseconds as the parser's wall-clock text."""
    local = (pl.col(column) * 1000).floor().cast(pl.Int64) + _SHANGHAI_US
    return local.cast(pl.Datetime("us")).dt.strftime("%Y-%m-%d %H:%M:%S:%6f")


def _write(path: Path, file: str, chunks: Iterator[pl.DataFrame]) -> Path:
    target = path / file
    names = HEADERS[file].split(",")
    with target.open("wb") as out:
        for number, chunk in enumerate(chunks):
            chunk.select(names).write_csv(out, include_header=number == 0)
    return target


def write_forward(path: Path, rows: int, seed: int = 1) -> Path:
    """Write forward.csv: some `rows` forward passes of 8 domains of 4 cards."""
    return _write(path, "forward.csv", _forward(max(rows // (DOMAINS * CARDS), 1), seed))


def _forward(total: int, seed: int) -> Iterator[pl.DataFrame]:
    random = np.random.default_rng(seed + 1)
    shape = (DOMAINS, CARDS)
    domain, card = (np.broadcast_to(a, shape) for a in np.ogrid[:DOMAINS, :CARDS])
    pid = 10_000 + domain * CARDS + card
    for first, sizes in rounds(total, seed):
        count = len(sizes)
        whole = (count, *shape)
        begin = _BEGIN_MS + _ROUND_MS * np.arange(first, first + count)
        start = begin[:, None, None] + 0.9 * domain + random.uniform(0, 0.02, whole)
        batch = np.broadcast_to(sizes[:, :, None], whole)
        length = 20 + 0.25 * batch + random.uniform(0, 0.3, whole)
        # The parser's times come in quarters of a microsecond.
        start, end = (np.round(a * 4000) / 4000 for a in (start, start + length))
        frame = pl.DataFrame(
            {
                "name": "forward",
                "start_time(ms)": start.ravel(),
                "end_time(ms)": end.ravel(),
                "during_time(ms)": np.round((end - start).ravel() * 4000) / 4000,
                "bubble_time(ms)": np.round(_ROUND_MS - (end - start).ravel(), 2),
                "batch_size": batch.ravel(),
                "batch_type": "Decode",
                "forward_iter": np.repeat(np.arange(first + 1, first + count + 1), DOMAINS * CARDS),
                "dp_rank": np.broadcast_to(domain, whole).ravel(),
                "pid": np.broadcast_to(pid, whole).ravel(),
                "hostname": HOST,
            }
        )
        yield frame.sort("start_time(ms)").with_columns(
            pl.format(f"ms_service_{HOST}-{{}}", "pid").alias("prof_id"),
            (pl.col("start_time(ms)") - _BEGIN_MS).round(2).alias("relative_start_time(ms)"),
            _text("start_time(ms)").alias("start_datetime"),
            _text("end_time(ms)").alias("end_datetime"),
        )


def write_batch(path: Path, rows: int, requests: int = 64, seed: int = 1) -> Path:
    """Write batch.csv: some `rows` rounds of 8 schedulers, each with `requests` requests in its res_list."""
    return _write(path, "batch.csv", _batch(max(rows // DOMAINS, 1), requests, seed))


def _batch(total: int, requests: int, seed: int) -> Iterator[pl.DataFrame]:
    random = np.random.default_rng(seed)
    lists = [
        str([{"rid": f"{n:032x}", "iter": int(i), "num_scheduled_tokens=": 1} for n, i in ids])
        for ids in random.integers(1, 1 << 31, (64, requests, 2))
    ]
    for first in range(0, total, 512):
        count = min(512, total - first)
        domain = np.tile(np.arange(DOMAINS), count)
        start = _BEGIN_MS + _ROUND_MS * np.repeat(np.arange(first, first + count), DOMAINS) + 0.9 * domain
        length = 20 + random.uniform(0, 5, len(start))
        frame = pl.DataFrame(
            {
                "name": "Execute",
                "res_list": [lists[i] for i in random.integers(0, len(lists), len(start))],
                "start": start,
                "end": start + length,
                "during_time(ms)": length.round(3),
                "batch_type": pl.Series([None] * len(start), dtype=pl.String),
                "pid": 9_000 + domain,
                "batch_size": float(requests),
                "prefill_batch_size": 0,
                "decode_batch_size": requests,
                "prefill_scheduled_tokens": 0,
                "decode_scheduled_tokens": requests,
                "total_scheduled_tokens": requests,
                "dp_rank": domain,
            }
        )
        yield frame.with_columns(
            pl.format(f"ms_service_{HOST}-{{}}", "pid").alias("prof_id"),
            _text("start").alias("start_datetime"),
            _text("end").alias("end_datetime"),
            # Named ms, they are µs.
            (pl.col("start") * 1000).alias("start_time(ms)"),
            (pl.col("end") * 1000).alias("end_time(ms)"),
        )


def write_requests(path: Path, rows: int, seed: int = 1) -> Path:
    """Write request.csv: some `rows` requests, one in a hundred of which waits ten times as long."""
    return _write(path, "request.csv", _requests(rows, seed))


def _requests(rows: int, seed: int) -> Iterator[pl.DataFrame]:
    random = np.random.default_rng(seed)
    for first in range(0, rows, 100_000):
        number = np.arange(first, min(first + 100_000, rows))
        count = len(number)
        output = random.integers(1, 400, count)
        wait = np.round(random.exponential(30, count) * np.where(random.random(count) < 0.01, 10, 1), 3)
        arrival = _BEGIN_MS + 3.0 * number + random.random(count)
        frame = pl.DataFrame(
            {
                "http_rid": number,
                "recv_token_size": random.integers(10, 2000, count).astype(float),
                "reply_token_size": output.astype(float),
                "execution_time(ms)": np.floor(wait + 40.0 * output),
                "queue_wait_time(ms)": wait,
                "first_token_latency(ms)": np.round(wait + random.uniform(25, 60, count), 3),
                "cache_hit_rate": "N/A",
                "start": arrival,
                "start_time(ms)": np.floor(arrival),
            }
        )
        yield frame.with_columns(
            pl.format("endpoint_common_{}", "http_rid").alias("http_rid"),
            _text("start").alias("start_datetime"),
        )
