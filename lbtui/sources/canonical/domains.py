"""Which process belongs to which DP domain."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from lbtui.profile import Note, host_and_pid, instance_names
from lbtui.text import _, visible

# Cards of one batch start within moments of each other; so much of a step's length at the most.
_START_TOLERANCE = 0.05
_SAME_BATCHES = 0.8  # share of steps that must coincide
_COMPARED_STEPS = 2000


@dataclass(frozen=True)
class Owners:
    """The DP domain of every process: one row per `prof_id` with `instance`, `host`, `dp_rank`, `domain`."""

    frame: pl.DataFrame
    notes: tuple[Note, ...]

    def of_pids(self) -> pl.DataFrame:
        """Return the same by `host` and `pid`, for tables that have no prof_id."""
        pid = pl.col("prof_id").str.extract(r"-(\d+)$").cast(pl.Int64)
        return self.frame.with_columns(pid=pid).drop("prof_id").unique(["host", "pid"], keep="first")


def find_owners(forward: pl.DataFrame | None, batch: pl.DataFrame | None) -> Owners:
    """Return the owner of every process in the raw forward and batch tables (either may be absent).

    A null dp_rank is filled from the other table; hosts or cards that repeat a dp_rank of their instance
    for other batches become domains of their own.
    """
    notes: list[Note] = []
    cards = _processes(forward)
    schedulers = _processes(batch)
    processes = _filled(cards, schedulers)
    if processes.is_empty():
        schema = {"prof_id": pl.String, **_OWNER}
        return Owners(pl.DataFrame(schema=schema), ())
    instances = instance_names(processes["host"].to_list())
    processes = processes.with_columns(
        instance=pl.col("host").replace_strict(instances, return_dtype=pl.String)
    )
    keys: dict[str, str] = {}
    steps = forward if forward is not None else batch
    assert steps is not None
    for (instance, rank), group in processes.group_by(["instance", "dp_rank"], maintain_order=True):
        units = _units(group, rank)
        merged = _merge_units(units, steps)
        for unit, key in _domain_keys(str(instance), rank, units, merged).items():
            keys.update(dict.fromkeys(units[unit], key))
        if len(set(merged.values())) > 1 and rank is not None:
            notes.append(_split_note(str(instance), rank, sorted(units)))
    owned = processes.with_columns(domain=pl.col("prof_id").replace_strict(keys, return_dtype=pl.String))
    owned, corrected = _correct_repeated_pids(owned, forward, batch)
    unknown = owned.filter(pl.col("dp_rank").is_null())["host"].unique().sort().to_list()
    if unknown:
        notes.append(
            Note(
                "forward.csv",
                _("No dp_rank is recorded for processes of {hosts}; they are shown as dp?.").format(
                    hosts=visible(", ".join(unknown), 300)
                ),
            )
        )
    return Owners(owned.select("prof_id", *_OWNER), (*notes, *corrected))


_OWNER = {"instance": pl.String, "host": pl.String, "dp_rank": pl.Int32, "domain": pl.String}


def _processes(raw: pl.DataFrame | None) -> pl.DataFrame:
    schema = {"prof_id": pl.String, "host": pl.String, "dp_rank": pl.Int32}
    if raw is None:
        return pl.DataFrame(schema=schema)
    rank = pl.col("dp_rank").drop_nulls().mode().min().cast(pl.Int32)
    hosts = [pl.col("host").drop_nulls().first()] if "host" in raw.columns else []
    found = raw.group_by("prof_id", maintain_order=True).agg(rank.alias("dp_rank"), *hosts)
    in_name = {
        prof_id: parts[0] for prof_id in found["prof_id"] if (parts := host_and_pid(prof_id)) is not None
    }
    host = pl.col("prof_id").replace_strict(in_name, default="unknown host", return_dtype=pl.String)
    if hosts:
        host = pl.col("host").fill_null(host)
    return found.with_columns(host=host).select(*schema)


def _filled(cards: pl.DataFrame, schedulers: pl.DataFrame) -> pl.DataFrame:
    """Join both lists of processes; vLLM's forward spans carry no dp_rank, its batch rows do."""
    both = pl.concat([cards, schedulers])
    known = (
        both.filter(pl.col("dp_rank").is_not_null())
        .group_by("prof_id", maintain_order=True)
        .agg(pl.col("dp_rank").first())
    )
    ranks_of_host = (
        schedulers.group_by("host")
        .agg(pl.col("dp_rank").drop_nulls().unique())
        .filter(pl.col("dp_rank").list.len() == 1)
        .select("host", only_rank=pl.col("dp_rank").list.first())
    )
    return (
        both.unique("prof_id", keep="first", maintain_order=True)
        .drop("dp_rank")
        .join(known, on="prof_id", how="left", maintain_order="left")
        .join(ranks_of_host, on="host", how="left", maintain_order="left")
        .with_columns(dp_rank=pl.coalesce("dp_rank", "only_rank"))
        .drop("only_rank")
    )


def _units(group: pl.DataFrame, rank: object) -> dict[str, list[str]]:
    """Return what may be a domain of its own: hosts, or single processes where no rank tells them apart."""
    unit = "host" if rank is not None else "prof_id"
    units: dict[str, list[str]] = {}
    for name, prof_id in group.select(unit, "prof_id").sort(unit).iter_rows():
        units.setdefault(name, []).append(prof_id)
    return units


def _merge_units(units: dict[str, list[str]], steps: pl.DataFrame) -> dict[str, str]:
    """Return for each unit the first unit that runs the same batches at the same times (maybe itself)."""
    leader: dict[str, str] = {}
    runs = {
        name: steps.filter(pl.col("prof_id") == ids[0]).sort("start").head(_COMPARED_STEPS)
        for name, ids in ((n, _first_with_steps(i, steps)) for n, i in units.items())
        if ids
    }
    for name in units:
        # A scheduler without forward passes of its own goes with the first unit.
        same = next(
            (other for other in leader if leader[other] == other and _same_batches(runs, other, name)), None
        )
        leader[name] = same or name
    return leader


def _first_with_steps(prof_ids: list[str], steps: pl.DataFrame) -> list[str]:
    present = set(steps["prof_id"].unique().to_list())
    return [p for p in prof_ids if p in present][:1]


def _same_batches(runs: dict[str, pl.DataFrame], one: str, other: str) -> bool:
    if one not in runs or other not in runs:
        return True
    left = runs[one].select("start", "end", size="batch_size").with_columns(at=pl.col("start"))
    right = runs[other].select(at=pl.col("start"), other_size="batch_size").with_columns(other=pl.col("at"))
    if left.is_empty() or right.is_empty():
        return False
    near = left.join_asof(right, on="at", strategy="nearest")
    gap = (near["start"] - near["other"]).dt.total_microseconds()
    length = (near["end"] - near["start"]).dt.total_microseconds().median()
    # Two hosts' clocks may differ by a constant.
    shift = gap.median()
    if not isinstance(shift, float) or not isinstance(length, float) or abs(shift) > length / 2:
        return False
    close = (gap - shift).abs() <= max(1000.0, _START_TOLERANCE * length)
    equal = near["size"].eq_missing(near["other_size"])
    ratio = min(left.height, right.height) / max(left.height, right.height)
    coinciding = int((close & equal).sum()) / len(close)
    return ratio > _SAME_BATCHES and coinciding > _SAME_BATCHES


def _domain_keys(
    instance: str, rank: object, units: dict[str, list[str]], merged: dict[str, str]
) -> dict[str, str]:
    name = "dp?" if rank is None else f"dp{rank}"
    if len(set(merged.values())) == 1:
        return dict.fromkeys(units, f"{instance}/{name}")
    return {unit: f"{leader}/{name}" for unit, leader in merged.items()}


def _split_note(instance: str, rank: object, hosts: list[str]) -> Note:
    return Note(
        "forward.csv",
        _(
            "dp_rank {rank} of {instance} runs different batches on {hosts}; each host is shown as a domain "
            "of its own."
        ).format(rank=rank, instance=visible(instance), hosts=visible(", ".join(hosts), 300)),
    )


def _correct_repeated_pids(
    owned: pl.DataFrame, forward: pl.DataFrame | None, batch: pl.DataFrame | None
) -> tuple[pl.DataFrame, list[Note]]:
    """Give schedulers whose pid occurs on several hosts the domain whose forwards they enclose.

    Upstream joins dp_rank on the pid alone, so all but one of such schedulers carry a wrong rank.
    """
    if forward is None or batch is None:
        return owned, []
    pid = pl.col("prof_id").str.extract(r"-(\d+)$")
    schedulers = owned.filter(~pl.col("prof_id").is_in(forward["prof_id"].unique().to_list())).with_columns(
        pid=pid
    )
    doubtful = schedulers.filter(pl.len().over("pid") > 1)
    notes: list[Note] = []
    for prof_id, host in doubtful.select("prof_id", "host").iter_rows():
        owner = _enclosed_domain(prof_id, host, owned, forward, batch)
        if owner is None:
            continue
        is_it = pl.col("prof_id") == prof_id
        if owned.filter(is_it)["domain"][0] == owner["domain"]:
            continue
        owned = owned.with_columns(
            dp_rank=pl.when(is_it).then(pl.lit(owner["dp_rank"], pl.Int32)).otherwise("dp_rank"),
            domain=pl.when(is_it).then(pl.lit(owner["domain"])).otherwise("domain"),
        )
        notes.append(
            Note(
                "batch.csv",
                _(
                    "The pid of {prof_id} occurs on several hosts, so its dp_rank in the file is doubtful; "
                    "by the times of its forwards it is {domain}."
                ).format(prof_id=visible(prof_id), domain=visible(str(owner["domain"]))),
            )
        )
    return owned, notes


def _enclosed_domain(
    prof_id: str, host: str, owned: pl.DataFrame, forward: pl.DataFrame, batch: pl.DataFrame
) -> dict[str, object] | None:
    rounds = (
        batch.filter(pl.col("prof_id") == prof_id, pl.col("name").is_in(["Execute", "modelExec"]))
        .select(at=pl.col("start"), round_end="end", size="batch_size")
        .sort("at")
        .head(_COMPARED_STEPS)
    )
    cards = owned.filter(
        pl.col("host") == host, pl.col("prof_id").is_in(forward["prof_id"].unique().to_list())
    )
    best: tuple[float, dict[str, object]] = (0.5, {})
    for row in cards.iter_rows(named=True):
        starts = (
            forward.filter(pl.col("prof_id") == row["prof_id"])
            .select(at="start", own="batch_size")
            .sort("at")
        )
        inside = starts.join_asof(rounds, on="at").select(
            ((pl.col("at") < pl.col("round_end")) & (pl.col("own") == pl.col("size"))).fill_null(False).mean()
        )
        share = inside.item() or 0.0
        if share > best[0]:
            best = (share, row)
    return best[1] or None
