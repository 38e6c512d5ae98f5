"""KV-cache blocks per DP domain: the frame `kv`.

vLLM writes them in batch.csv, rank by rank. MindIE's kvcache.csv has no owner at all: a request's events
belong to the domain whose batches hold its id, and after its hand-off to the next such domain.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from lbtui.profile import SCHEMAS, Loaded, Note, Progress, Provenance, Unreadable, empty
from lbtui.sources import database
from lbtui.sources.canonical.domains import Owners
from lbtui.sources.canonical.scheduling import GROUPING, Scheduling
from lbtui.sources.res_list import request_ids
from lbtui.sources.store import Raw, Store
from lbtui.text import _, visible

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
    if raw is not None and raw.frame["free_blocks"].null_count() < raw.frame.height:
        return _from_events(store, raw, scheduling, [*notes, *raw.notes], progress)
    return _from_counters(store, owners, scheduling, notes, progress)


def _from_rounds(readings: pl.DataFrame, owners: Owners, batch: Raw) -> Loaded:
    """VLLM: the state after each round, one row a round of its own rank."""
    frame = _canonical(
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
    return Loaded(frame, (Provenance(file, batch.provenance.reader, "end of each round", frame.height),))


def _from_events(
    store: Store, raw: Raw, scheduling: Scheduling, notes: list[Note], progress: Progress
) -> Loaded:
    """MindIE: Allocate, AppendSlot and Free events, given to domains by request id."""
    owners = scheduling.owners
    service, service_notes = _service_order(store, scheduling, progress)
    notes += service_notes
    events = raw.frame.sort("row")
    whole_seconds = bool((events["time"].dt.microsecond() == 0).all()) and events.height > 1
    owned = give_to_domains(events, service, whole_seconds=whole_seconds)
    precision = "1 µs"
    if whole_seconds:
        owned, precision = _with_exact_times(store, owned, owners, notes, raw.provenance.file, progress)
    ownerless = int(owned["domain"].null_count())
    if ownerless:
        notes.append(
            Note(
                raw.provenance.file,
                _(
                    "{count} of {all} KV events belong to requests that no scheduling round holds; their "
                    "domain is unknown and they are not drawn."
                ).format(count=ownerless, all=owned.height),
            )
        )
    places = owners.frame.unique("domain", keep="first").select(_OWNER)
    known = owned.filter(pl.col("domain").is_not_null(), pl.col("free_blocks").is_not_null())
    # MindIE never writes the size of the pool: the most a domain ever had free.
    known = known.with_columns(total_blocks=pl.col("free_blocks").max().over("domain")).with_columns(
        used_blocks=pl.col("total_blocks") - pl.col("free_blocks"),
        usage=pl.when(pl.col("total_blocks") > 0).then(1 - pl.col("free_blocks") / pl.col("total_blocks")),
    )
    notes.append(_pool_note(raw.provenance.file, known))
    frame = _canonical(known.join(places, on="domain", how="left", maintain_order="left"))
    provenance = Provenance(raw.provenance.file, raw.provenance.reader, precision, frame.height)
    return Loaded(frame, (provenance,), tuple(notes))


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
        text += " " + _("A lower bound for {domains}, which never stood empty.").format(
            domains=visible(", ".join(never_empty), 300)
        )
    return Note(file, text)


def _service_order(
    store: Store, scheduling: Scheduling, progress: Progress
) -> tuple[pl.DataFrame, list[Note]]:
    """Return one row per request and domain that served it, with the first and last start of its rounds."""
    raw, notes = store.table("batch", progress, ("name", "prof_id", "start", "end", "res_list"))
    if raw is not None:
        rounds = raw.frame.select("name", "prof_id", "start", request_id=request_ids("res_list"))
    else:
        trace, notes = store.trace(progress)
        if trace is None:
            return pl.DataFrame(schema=_SERVICE), notes
        hosts = trace.processes.select("pid", "host")
        rounds = trace.spans.join(hosts, on="pid", how="left").select(
            "name",
            "start",
            prof_id=pl.format("ms_service_{}-{}", "host", "pid"),
            request_id=pl.col("rids"),
        )
    if rounds["name"].is_in(GROUPING).any():
        rounds = rounds.filter(pl.col("name").is_in(GROUPING))
    served = (
        rounds.join(scheduling.owners.frame.select("prof_id", "domain"), on="prof_id", how="left")
        .filter(pl.col("domain").is_not_null())
        .explode("request_id", empty_as_null=True)
        .drop_nulls("request_id")
        .group_by("request_id", "domain")
        .agg(first=pl.col("start").min(), last=pl.col("start").max())
        .sort("request_id", "first")
    )
    return served, notes


def give_to_domains(events: pl.DataFrame, service: pl.DataFrame, *, whole_seconds: bool) -> pl.DataFrame:
    """Return `events` (request_id, name, time, in file order) with the `domain` that each belongs to.

    `service` has a row per request and domain with the `first` and `last` start of its rounds. A request
    leaves a domain with the first Free at or after its last round began there.
    """
    domains = service.group_by("request_id").agg(pl.col("domain"), pl.col("last"))
    joined = events.join(domains, on="request_id", how="left", maintain_order="left")
    moved = joined.filter(pl.col("domain").list.len() > 1)
    place: dict[str, int] = {}
    at: list[str] = []
    for request_id, name, time, names, lasts in moved.select(
        "request_id", "name", "time", "domain", "last"
    ).iter_rows():
        index = place.get(request_id, 0)
        at.append(names[index])
        left: datetime = lasts[index].replace(microsecond=0) if whole_seconds else lasts[index]
        if name == "Free" and time >= left and index + 1 < len(names):
            place[request_id] = index + 1
    resolved = pl.DataFrame(
        {"row": moved["row"], "moved_to": pl.Series(at, dtype=pl.String)},
    )
    return (
        joined.join(resolved, on="row", how="left", maintain_order="left")
        .with_columns(domain=pl.coalesce("moved_to", pl.col("domain").list.first()))
        .drop("moved_to", "last")
    )


def _with_exact_times(
    store: Store, owned: pl.DataFrame, owners: Owners, notes: list[Note], file: str, progress: Progress
) -> tuple[pl.DataFrame, str]:
    """Give rows cut to whole seconds the exact times of the trace's counters, domain by domain."""
    counters = _counters(store, owners, notes, progress)
    parts: list[pl.DataFrame] = []
    inexact: list[str] = []
    for (domain,), rows in owned.group_by(["domain"], maintain_order=True):
        own = counters.filter(pl.col("domain") == domain)
        if own.height != rows.height:
            own = own.filter(~pl.col("lookup"))
        times = own["time"].sort()
        if len(times) == rows.height and (times.dt.truncate("1s") == rows["time"]).all():
            rows = rows.with_columns(time=times)
        elif domain is not None:
            inexact.append(str(domain))
        parts.append(rows)
    if not inexact:
        return pl.concat(parts).sort("time", "row"), "1 µs (times from the trace's counters)"
    notes.append(
        Note(
            file,
            _(
                "KV events of {domains} are cut to whole seconds by the parser (formats csv + db) and no "
                "trace counters tell them apart."
            ).format(domains=visible(", ".join(inexact), 300)),
        )
    )
    return pl.concat(parts).sort("time", "row"), "1 s"


_TIME = pl.Datetime("us")
_COUNTERS = pl.Schema([("time", _TIME), ("domain", pl.String()), ("lookup", pl.Boolean())])
_SERVICE = pl.Schema(
    [("request_id", pl.String()), ("domain", pl.String()), ("first", _TIME), ("last", _TIME)]
)
_COUNTER_QUERY = "SELECT timestamp / 1000, CAST(pid AS INTEGER) FROM counter WHERE name LIKE '%KVCache-dp%'"
_ENQUEUE_QUERY = """
SELECT s.timestamp / 1000, CAST(t.pid AS INTEGER)
FROM slice s JOIN thread t USING (track_id) WHERE s.name = 'Enqueue'
"""


def _counters(store: Store, owners: Owners, notes: list[Note], progress: Progress) -> pl.DataFrame:
    """Return the KV counters' time and domain; `lookup` marks the one after each Enqueue.

    MindIE looks a request up in its prefix cache as it is queued, which also makes a counter event but no
    row in kvcache.csv.
    """
    empty_counters = pl.DataFrame(schema=_COUNTERS)
    time = pl.col("time").cast(pl.Int64).cast(pl.Datetime("us"))
    pid = pl.col("pid").cast(pl.Int64)
    if path := store.output.database:
        try:
            if not {"counter", "slice", "thread"} <= database.tables_of(path):
                return empty_counters
            with database.connect(path) as connection:
                readings = database.query(connection, _COUNTER_QUERY, ["time", "pid"], progress, path)
                arrivals = database.query(connection, _ENQUEUE_QUERY, ["time", "pid"], progress, path)
        except Unreadable as error:
            notes.append(Note(visible(path.name), str(error)))
            return empty_counters
    else:
        trace, _trace_notes = store.trace(progress)
        if trace is None:
            return empty_counters
        readings = trace.kv_counters.select("time", "pid")
        arrivals = trace.queue_events.filter(pl.col("kind") == "Enqueue").select("time", "pid")
    readings = readings.select(time, pid).sort("time")
    arrivals = arrivals.select(time, pid).sort("time")
    pids = owners.of_pids().select("pid", "domain").unique("pid", keep="first")
    following = arrivals.join_asof(
        readings.with_columns(reading=pl.col("time")),
        on="time",
        by="pid",
        strategy="forward",
        check_sortedness=False,
    ).select("pid", time="reading", lookup=pl.lit(True))
    return (
        readings.join(following.unique(), on=["pid", "time"], how="left")
        .join(pids, on="pid", how="left")
        .select("time", "domain", pl.col("lookup").fill_null(False))
        .cast({"time": _TIME, "domain": pl.String, "lookup": pl.Boolean})
    )


def _from_counters(
    store: Store, owners: Owners, scheduling: Scheduling, notes: list[Note], progress: Progress
) -> Loaded:
    """Only the trace is there: vLLM's counters hold free blocks, MindIE's hold 0 whatever the truth."""
    trace, trace_notes = store.trace(progress)
    notes = [*notes, *trace_notes]
    if trace is None or trace.kv_counters.is_empty() or store.output.trace is None:
        return Loaded(empty("kv"), notes=tuple(notes))
    file = store.output.trace.name
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
    assert batch is not None
    # Lookups and Free events set the counter to 0; the reading inside a scheduling round is real.
    rounds = batch.frame.filter(pl.col("name") == "batchFrameworkProcessing").select(
        "prof_id", "end", round_start="start", time="end"
    )
    readings = (
        trace.kv_counters.join(trace.processes.select("pid", "host"), on="pid", how="left")
        .select(
            prof_id=pl.format("ms_service_{}-{}", "host", "pid"),
            time="time",
            reading_at="time",
            free_blocks=pl.col("value").cast(pl.Int64),
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
    return Loaded(
        _canonical(frame), (Provenance(file, "trace", "end of each round", frame.height),), tuple(notes)
    )


def _canonical(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort("time", maintain_order=True).select(
        [pl.col(name).cast(dtype) for name, dtype in SCHEMAS["kv"].items()]
    )
