"""KV-cache blocks per DP domain: the frame `kv`.

vLLM writes them in batch.csv, rank by rank. MindIE's kvcache.csv has no owner: `kv_owners` finds it. SGLang's
names neither owner nor request: the trace's counters do, or the rounds in which it was read (`kv_states`).
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from lbtui.profile import Loaded, Note, Progress, Provenance, empty
from lbtui.sources.canonical.kv_counters import exact_times, read_counters, read_values
from lbtui.sources.canonical.kv_order import by_request, by_value
from lbtui.sources.canonical.kv_owners import give_to_domains, read_service
from lbtui.sources.canonical.kv_states import of_rounds
from lbtui.sources.canonical.other_run import other_engine, other_requests, other_run_note
from lbtui.sources.frame import canonical
from lbtui.sources.steps.engine import engine_of
from lbtui.sources.steps.from_trace import name_processes
from lbtui.sources.steps.owners import Owners
from lbtui.sources.steps.scheduling import Scheduling
from lbtui.sources.store import Raw, Store
from lbtui.text import _, in_list, in_sentences, visible

_OWNER = ["instance", "host", "dp_rank", "domain"]


def load_kv(store: Store, scheduling: Scheduling, progress: Progress) -> Loaded:
    """Return `kv`: free, used and total blocks and usage per DP domain and time."""
    owners = scheduling.owners
    batch = scheduling.batch
    if batch is not None and "free_blocks" in batch.frame.columns:
        readings = batch.frame.filter(
            pl.col("name") == "batchFrameworkProcessing", pl.col("total_blocks").fill_null(0) > 0
        )
        if not readings.is_empty():
            return _from_rounds(readings, owners, batch)
    raw, notes = store.table("kvcache", progress)
    notes += raw.notes if raw else ()
    engine = None if batch is None else engine_of(batch.frame)
    if raw is not None and (why := other_engine(raw, engine)):
        notes.append(other_run_note(raw.provenance.file, why))
        raw = None
    if batch is not None and engine == "vllm v0":
        return Loaded(empty("kv"), notes=(*notes, _sequences_note((raw or batch).provenance.file)))
    if engine == "sglang":
        return _from_pools(store, raw, scheduling, notes, progress)
    if raw is not None and raw.frame["request_id"].null_count() < raw.frame.height:
        return _from_events(store, raw, scheduling, notes, progress)
    notes += _no_blocks_note(raw)
    return _from_counters(store, owners, scheduling, notes, progress)


def _sequences_note(file: str) -> Note:
    text = _(
        "vLLM's v0 engine tells the number of sequences that hold blocks (as device_kvcache_left), not that "
        "of free blocks: KV blocks are unknown."
    )
    return Note(file, text, lost=True, verdict="unreadable")


def _from_pools(
    store: Store, raw: Raw | None, scheduling: Scheduling, notes: list[Note], progress: Progress
) -> Loaded:
    """SGLang: free blocks only, of each process by its counters, else by the rounds around the readings."""
    owners = scheduling.owners
    values, provenance, value_notes = read_values(store, progress)
    notes = [*notes, *value_notes]
    if provenance is not None:
        owned = values.join(owners.of_pids(), on="pid", how="left").rename({"value": "free_blocks"})
    elif raw is not None and scheduling.batch is not None:
        owned = _by_rounds(raw.frame, scheduling.batch.frame, owners)
        precision = _("1 s") if _are_whole_seconds(raw.frame) else raw.provenance.precision
        provenance = replace(raw.provenance, precision=precision)
    else:
        return Loaded(empty("kv"), notes=tuple(notes))
    file = provenance.file
    if unknown := owned["domain"].null_count():
        text = _(
            "{count} of {all} KV readings may be of several DP domains or of none: the file names neither "
            "process nor request, and the rounds around them do not tell it. They are left out."
        )
        notes.append(Note(file, text.format(count=unknown, all=owned.height)))
    known = owned.drop_nulls(["domain", "free_blocks"])
    if known.height:
        text = _(
            "SGLang records only how much of its token pool is free (total_blocks is 0): usage is 1 − free / "
            "the most the domain ever had free, a lower bound where it never stood empty."
        )
        notes.append(Note(file, text))
    frame = by_time(placed(with_pools(known.sort("time", maintain_order=True)), owners))
    return Loaded(frame, (replace(provenance, rows=frame.height),), tuple(notes))


def _by_rounds(events: pl.DataFrame, rounds: pl.DataFrame, owners: Owners) -> pl.DataFrame:
    domains = owners.frame["domain"].drop_nulls().unique()
    if len(domains) == 1:
        return events.with_columns(domain=pl.lit(domains[0]))
    if _are_whole_seconds(events):  # beside a db the parser cuts them
        return events.with_columns(domain=pl.lit(None, pl.String))
    return of_rounds(events, rounds, owners)


def _are_whole_seconds(events: pl.DataFrame) -> bool:
    return events.height > 1 and bool((events["time"].dt.microsecond() == 0).all())


def with_pools(known: pl.DataFrame) -> pl.DataFrame:
    """Return readings of free blocks with what is used of the pool, whose size is the most ever free."""
    return known.with_columns(total_blocks=pl.col("free_blocks").max().over("domain")).with_columns(
        used_blocks=pl.col("total_blocks") - pl.col("free_blocks"),
        usage=pl.when(pl.col("total_blocks") > 0).then(1 - pl.col("free_blocks") / pl.col("total_blocks")),
    )


def placed(known: pl.DataFrame, owners: Owners) -> pl.DataFrame:
    """Return readings of domains with their owners' columns, the place being that of the first process."""
    places = owners.frame.unique("domain", keep="first", maintain_order=True).select(_OWNER)
    return known.join(places, on="domain", how="left", maintain_order="left")


def _no_blocks_note(raw: Raw | None) -> list[Note]:
    """Tell of the parser of December 2025, which wrote vLLM's columns for MindIE."""
    if raw is None or raw.frame.is_empty() or (raw.frame["total_blocks"] > 0).any():
        return []
    text = _(
        "Its rows name no request, and total_blocks is 0: no KV blocks of a DP domain are told (parsers of "
        "early 2026 wrote vLLM's columns for MindIE)."
    )
    return [Note(raw.provenance.file, text, lost=True, verdict="unreadable")]


def _from_rounds(readings: pl.DataFrame, owners: Owners, batch: Raw) -> Loaded:
    """VLLM: the state after each round, one row a round of its own rank."""
    frame = by_time(
        readings.drop("dp_rank")
        .join(owners.frame, on="prof_id", how="left")
        # A column that is zero on every row is left out by upstream: that zero is known.
        .with_columns(
            time=pl.col("end"),
            used_blocks=pl.col("used_blocks").fill_null(pl.col("total_blocks") - pl.col("free_blocks")),
            free_blocks=pl.col("free_blocks").fill_null(pl.col("total_blocks") - pl.col("used_blocks")),
        )
        .with_columns(usage=pl.col("used_blocks") / pl.col("total_blocks"))
    )
    file = batch.provenance.file
    return Loaded(frame, (Provenance(file, batch.provenance.reader, _("end of each round"), frame.height),))


def _from_events(
    store: Store, raw: Raw, scheduling: Scheduling, notes: list[Note], progress: Progress
) -> Loaded:
    """MindIE: Allocate, AppendSlot and Free events, given to domains by request id."""
    owners = scheduling.owners
    file = raw.provenance.file
    service, service_notes = read_service(store, owners, progress)
    notes += service_notes
    if why := other_requests(raw.frame["request_id"], service["request_id"]):
        return Loaded(empty("kv"), notes=(*notes, other_run_note(file, why)))
    whole_seconds = _are_whole_seconds(raw.frame)
    # Of a whole second only the rows' order tells which came first.
    events = raw.frame.sort("row") if whole_seconds else by_request(raw.frame)
    owned = give_to_domains(events, service, whole_seconds=whole_seconds)
    inexact: list[str] = []
    precision = raw.provenance.precision
    if whole_seconds:
        counters, counter_notes = read_counters(store, owners, progress)
        owned, inexact = exact_times(owned, counters)
        precision = _("1 s") if inexact else _("1 µs, by the trace's counters")
        notes += [*counter_notes, *_whole_seconds_note(file, inexact)]
    notes += _ownerless_note(file, owned)
    # MindIE never writes the size of the pool.
    known = with_pools(by_value(owned.drop_nulls(["domain", "free_blocks"]), inexact))
    if known.height:
        notes.append(_pool_note(file, known))
    frame = by_time(placed(known, owners))
    return Loaded(frame, (Provenance(file, raw.provenance.reader, precision, frame.height),), tuple(notes))


def _whole_seconds_note(file: str, domains: list[str]) -> list[Note]:
    if not domains:
        return []
    text = _(
        "KV events of {domains} are cut to whole seconds by the parser (formats csv + db) and no trace "
        "counters tell them apart."
    ).format(domains=visible(in_list(domains), 300))
    return [Note(file, text)]


def _ownerless_note(file: str, owned: pl.DataFrame) -> list[Note]:
    count = owned["domain"].null_count()
    if not count:
        return []
    text = _(
        "{count} of {all} KV events belong to requests that no scheduling round of a known domain holds; "
        "their domain is unknown and they are not drawn."
    ).format(count=count, all=owned.height)
    return [Note(file, text)]


def _pool_note(file: str, known: pl.DataFrame) -> Note:
    alive = pl.when(pl.col("name") == "Allocate").then(1).when(pl.col("name") == "Free").then(-1).otherwise(0)
    lowest = (
        known.with_columns(alive=alive.cum_sum().over("domain")).group_by("domain").agg(pl.col("alive").min())
    )
    never_empty = sorted(lowest.filter(pl.col("alive") > 0)["domain"].to_list())
    text = _(
        "The size of a domain's KV pool is not recorded: usage is 1 − free / the most blocks the domain ever "
        "had free (upstream divides by the most of all domains together)."
    )
    if never_empty:
        bound = _("A lower bound for {domains}, which never stood empty.")
        text = in_sentences(text, bound.format(domains=visible(in_list(never_empty), 300)))
    return Note(file, text)


def _from_counters(
    store: Store, owners: Owners, scheduling: Scheduling, notes: list[Note], progress: Progress
) -> Loaded:
    """Only the trace is there: vLLM's counters hold free blocks, MindIE's hold 0 whatever the truth."""
    trace, trace_notes = store.trace(progress)
    notes = [*notes, *trace_notes]
    if trace is None or trace.kv_counters.is_empty():
        return Loaded(empty("kv"), notes=tuple(notes))
    file = trace.file
    if not (trace.kv_counters["value"] != 0).any():
        notes.append(
            Note(
                file,
                _(
                    "MindIE's KV counters in the trace are all 0, so KV blocks are unknown here; parse with "
                    "--format csv or db to get kvcache."
                ),
            )
        )
        return Loaded(empty("kv"), notes=tuple(notes))
    batch = scheduling.batch
    if batch is None:
        return Loaded(empty("kv"), notes=tuple(notes))
    # Lookups and Free events set the counter to 0; the reading inside a scheduling round is real.
    rounds = batch.frame.filter(pl.col("name") == "batchFrameworkProcessing").select(
        "prof_id", "end", round_start="start", time="end"
    )
    readings = (
        name_processes(trace.kv_counters, trace.processes)
        .select(
            "prof_id",
            time="time",
            reading_at="time",
            free_blocks=pl.col("value").cast(pl.Int64, strict=False),
        )
        .sort("time")
    )
    frame = (
        rounds.sort("time")
        .join_asof(readings, on="time", by="prof_id", strategy="backward", check_sortedness=False)
        .filter(pl.col("reading_at") >= pl.col("round_start"))
        .join(owners.frame, on="prof_id", how="left")
        .with_columns(
            total_blocks=pl.lit(None, pl.Int64),
            used_blocks=pl.lit(None, pl.Int64),
            usage=pl.lit(None, pl.Float64),
        )
    )
    notes.append(Note(file, _("The trace holds free KV blocks only; the size of the pools is unknown.")))
    return Loaded(by_time(frame), (trace.provenance(frame.height, _("end of each round")),), tuple(notes))


def by_time(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the canonical frame of readings, by time."""
    return canonical(frame.sort("time", maintain_order=True), "kv")
