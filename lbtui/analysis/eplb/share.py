"""How much of a step expert computation takes: GroupedMatmul time of processes against their passes' time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from lbtui.analysis.eplb.price import Service
from lbtui.profile import host_and_pid
from lbtui.profile.slices import Slices
from lbtui.text import _, in_percent, visible, with_comma

_GROUPED = "GroupedMatmul"
# Less of a step than experts take of any model: what was recorded are some of the passes.
_LEAST = 0.002


@dataclass(frozen=True)
class Computing:
    """GroupedMatmul time of each process (pid), ms over all that is recorded, and the file that tells it."""

    times: Mapping[int, float]
    file: str


def by_layer_times(layer_times: pl.DataFrame, file: str) -> Computing:
    """Return the frame `layer_times` summed over layers."""
    known = layer_times.drop_nulls("time").group_by("process").agg(pl.col("time").sum()).sort("process")
    times = dict(zip(known["process"].to_list(), (known["time"] / 1e6).to_list(), strict=True))
    return Computing(times, file)


def by_slices(slices: Slices) -> Computing:
    """Return what the slices of kernels tell, nothing of a sample."""
    grouped = [place for place, name in enumerate(slices.names) if _GROUPED in name]
    times: dict[int, float] = {}
    if not slices.sampled:
        for place, track in enumerate(slices.tracks):
            # Launching one on the host, which an Api thread does, is not computing.
            if track.kind != "operators" or track.pid is None or not track.thread.startswith("Kernel"):
                continue
            own = slice(int(slices.offsets[place]), int(slices.offsets[place + 1]))
            are = np.isin(slices.name[own], grouped)
            spent = float(slices.duration[own][are].sum(dtype=np.int64)) / 1e6
            if spent:
                times[track.pid] = times.get(track.pid, 0.0) + spent
    return Computing(times, slices.file)


def cards_of(steps: pl.DataFrame, card_times: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the time of each card's passes: instance, domain, prof_id, busy (ms), passes.

    Of steps whose passes are joined `card_times` tells the cards (`JoinedSteps`), not how many passes.
    """
    owner = steps.select("instance", "domain").unique().drop_nulls()
    if card_times is None:
        known = steps.drop_nulls(["prof_id", "duration", "instance"])
        by = ["instance", "domain", "prof_id"]
        return known.group_by(by).agg(busy=pl.col("duration").sum(), passes=pl.len()).sort(by)
    known = card_times.drop_nulls("duration").join(owner, on="domain")
    mean = steps.group_by("domain").agg(mean=pl.col("duration").mean())
    counted = known.join(mean, on="domain").with_columns(passes=(pl.col("duration") / pl.col("mean")).round())
    return counted.select("instance", "domain", "prof_id", pl.col("duration").alias("busy"), "passes")


def service_of(computing: Computing, cards: pl.DataFrame, wall_ms: float, instance: str) -> Service:
    """Return what is known of the service whose experts are of `instance`.

    `cards` are those of `cards_of`, `wall_ms` the time from the first to the last of their passes.
    """
    if cards.is_empty() or wall_ms <= 0:
        return Service(told=_("forward passes are not recorded"))
    if not computing.times:
        own = _of_instance(cards, instance)
        told = _("GroupedMatmul time is not recorded")
        return Service(None, _busy(own, wall_ms), _pass_ms(own), told)
    own, guessed = _computing_cards(computing, cards, instance)
    if own.is_empty():
        own = _of_instance(cards, instance)
        told = _("nothing tells which passes the processes of {file} ran").format(
            file=visible(computing.file)
        )
        return Service(None, _busy(own, wall_ms), _pass_ms(own), told)
    pids = {pid for pid in map(_pid, own["prof_id"].to_list()) if pid in computing.times}
    times = [ms for pid, ms in computing.times.items() if not pids or pid in pids]
    share = float(np.mean(times)) / float(own["busy"].mean() or np.inf)  # type: ignore[arg-type]
    told = _("GroupedMatmul time of {processes} processes in {file} / time of {cards} cards' passes").format(
        processes=len(times), file=visible(computing.file), cards=own.height
    )
    if not _LEAST <= share <= 1:
        text = _("GroupedMatmul time in {file} is {share} of the passes': these are not the passes it is of")
        told = text.format(file=visible(computing.file), share=in_percent(share, 2))
        return Service(None, _busy(own, wall_ms), _pass_ms(own), told)
    if guessed:
        told = with_comma(told, _("guessed to be these by their number"))
    return Service(share, _busy(own, wall_ms), _pass_ms(own), told)


def _computing_cards(computing: Computing, cards: pl.DataFrame, instance: str) -> tuple[pl.DataFrame, bool]:
    """Return the cards that the processes are, by their pids, else (guessed) those of as many."""
    pids = pl.Series(list(computing.times), dtype=pl.Int64)
    of = pl.Series([_pid(name) for name in cards["prof_id"].to_list()], dtype=pl.Int64)
    named = cards.filter(of.is_in(pids.implode()))
    if not named.is_empty():
        return _of_instance(named, instance), False
    instances = cards.partition_by("instance", maintain_order=True)
    # A process may be a card, or a DP domain of several.
    alike = [own for own in instances if len(pids) in (own.height, own["domain"].n_unique())]
    if len(alike) == 1:
        return alike[0], True
    return (cards, True) if len(instances) == 1 else (cards.clear(), True)


def _of_instance(cards: pl.DataFrame, instance: str) -> pl.DataFrame:
    own = cards.filter(pl.col("instance") == instance)
    return cards if own.is_empty() else own


def _pid(prof_id: str) -> int | None:
    named = host_and_pid(prof_id)
    return None if named is None else named[1]


def _busy(cards: pl.DataFrame, wall_ms: float) -> float:
    return min(1.0, float(cards["busy"].mean() or 0.0) / wall_ms) or 1.0  # type: ignore[arg-type]


def _pass_ms(cards: pl.DataFrame) -> float | None:
    passes = float(cards["passes"].sum())
    return float(cards["busy"].sum()) / passes if passes else None
