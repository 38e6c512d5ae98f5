"""What limits the batches of a recorded service: told where requests wait beside rounds that are full."""

from __future__ import annotations

import numpy as np
import polars as pl

from lbtui.analysis.replay.hand_overs import delay_of, handed_over
from lbtui.analysis.replay.model import NO_LIMIT, Scheduling, Work
from lbtui.analysis.replay.recording import Recording
from lbtui.text import _

_MIXED = 0.05  # of the rounds of a role do both: it schedules mixed
_BOUND = 0.5  # of the rounds that leave requests waiting have a size: it is the limit
_FEWEST = 5  # rounds that show a limit of prefills
_FEWEST_BLOCKED = 2  # decode rounds beside which requests wait: only a full domain makes them
_FULL = 0.8  # of a KV pool: from there on it may be what requests wait for
_BLOCKS = [1 << power for power in range(3, 12)]  # tokens


def queued(recording: Recording, rounds: pl.DataFrame, load_rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rounds with what each left behind: requests that `waiting` are, and those `held` in it.

    Who came before the round ahead was over, and is not in this one either, was seen and had to wait.
    """
    delay, over = delay_of(load_rows), handed_over(recording, load_rows)
    parts = []
    for place, domain in enumerate(recording.domains):
        own = rounds.filter(pl.col("domain") == place)
        if domain.work == "decode":
            mine = over.filter(pl.col("then_domain") == place)
            came, began = mine["ready"], mine["decode_start"]
        else:
            mine = load_rows.filter(pl.col("first_domain") == place)
            came, began = mine["arrival"] + delay, mine["taken"]
        left = mine.select(
            pl.when(pl.col("then_domain") == place)
            .then(pl.coalesce("decode_end", "prefill_end"))
            .otherwise("prefill_end")
        ).to_series()
        start = own["start"].to_numpy()
        seen = own["end"].shift(1).fill_null(-np.inf).to_numpy()
        taken = np.searchsorted(began.sort().to_numpy(), start + 1e-6, "right")
        used = own.select("start").join_asof(
            recording.kv.filter(pl.col("domain") == place).sort("time"), left_on="start", right_on="time"
        )
        parts.append(
            own.with_columns(
                kv_use=(used["used"] / (domain.blocks or 1)).fill_null(0.0) if domain.blocks else pl.lit(0.0),
                waiting=pl.Series(np.searchsorted(came.sort().to_numpy(), seen, "right") - taken),
                held=pl.Series(taken - np.searchsorted(left.sort().to_numpy(), start, "right")),
            )
        )
    return pl.concat(parts)


def limits_of(
    recording: Recording, rounds: pl.DataFrame, queued: pl.DataFrame, works: list[Work]
) -> tuple[dict[Work, Scheduling], dict[Work, int], tuple[str, ...]]:
    """Return how batches are made and limited by role: a limit shows where requests wait beside full ones."""
    scheduling: dict[Work, Scheduling] = {}
    most_running: dict[Work, int] = {}
    unseen = []
    for work in works:
        places = [place for place, domain in enumerate(recording.domains) if domain.work == work]
        own = queued.filter(pl.col("domain").is_in(places))
        mixed = bool((own["phase"] == "mixed").mean() > _MIXED)  # type: ignore[operator]
        left = own.filter(pl.col("waiting") > 0, pl.col("kv_use") < _FULL)
        decodes = left.filter(pl.col("sequences") == 0)
        running, share = _usual_most(decodes["decoding"].to_numpy())
        bound = len(decodes) >= _FEWEST_BLOCKED and share >= _BOUND and running == own["decoding"].max()
        most_running[work] = running if bound else NO_LIMIT
        if not bound and work != "prefill":
            unseen.append(_("requests that a domain runs at once"))
        # Where all that a domain runs at once are there, that is what limits a prefill round.
        prefills = left.filter(pl.col("sequences") > 0, pl.col("held") < most_running[work])
        count, share = _usual_most(prefills["sequences"].to_numpy())
        tokens = int(prefills["prompt"].max() or 0)  # type: ignore[arg-type]
        if work == "decode":
            scheduling[work] = Scheduling()
        elif mixed:
            budget = rounds.filter(pl.col("domain").is_in(places))["tokens"].max()
            scheduling[work] = Scheduling(mixed=True, most_tokens=int(budget or NO_LIMIT))  # type: ignore[arg-type]
        elif len(prefills) >= _FEWEST and share >= _BOUND and count == own["sequences"].max():
            scheduling[work] = Scheduling(most_prefills=count)
        elif len(prefills) >= _FEWEST:
            scheduling[work] = Scheduling(most_tokens=tokens)
        else:
            scheduling[work] = Scheduling()
            unseen.append(_("prompts in a prefill round"))
    return scheduling, most_running, tuple(dict.fromkeys(unseen))


def _usual_most(sizes: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[int, float]:
    """Return the largest size and the share of all that have it."""
    if not len(sizes):
        return 0, 0.0
    most = int(sizes.max())
    return most, float((sizes == most).mean())


def block_tokens(recording: Recording, rounds: pl.DataFrame) -> int:
    """Return the tokens of a KV block, by what requests hold and the pool has given; 0: nothing tells."""
    if recording.kv.is_empty():
        return 0
    # A pool of prefills alone holds for a moment what has left since.
    decode = rounds.filter(pl.col("phase") == "decode", pl.col("context") > 0).sort("end")
    read = recording.kv.sort("time")
    known = decode.join_asof(
        read, left_on="end", right_on="time", by="domain", strategy="backward", check_sortedness=False
    ).drop_nulls("used")
    known = known.filter(pl.col("used") > 2 * pl.col("decoding"))
    if known.is_empty():
        return 0
    size = known.select((pl.col("context") / (pl.col("used") - pl.col("decoding") / 2)).median()).item()
    nearest = min(_BLOCKS, key=lambda block: abs(np.log(block / size)))
    return nearest if abs(np.log(nearest / size)) < 0.25 else 0
