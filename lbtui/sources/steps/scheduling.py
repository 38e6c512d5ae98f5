"""Scheduling rounds and forward passes: the frames `batches` and `steps`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from lbtui.profile import Loaded, Note, Progress, empty
from lbtui.profile.sample import StepSample
from lbtui.sources.frame import canonical, possible_processes
from lbtui.sources.steps.from_trace import scheduling_tables
from lbtui.sources.steps.hints import all_ranked, read_hints
from lbtui.sources.steps.large_forward import LargeForward, large_forward, why_held
from lbtui.sources.steps.owners import Owners, find_owners
from lbtui.sources.steps.phases import phase_by_size, phase_by_type
from lbtui.sources.steps.recorded import GROUPING, executed_rounds
from lbtui.sources.steps.rounded_forward import are_rounded, rebuild_forward
from lbtui.sources.steps.row_checks import checked_durations
from lbtui.sources.steps.sampled import sample_steps
from lbtui.sources.steps.step_join import NotJoinable
from lbtui.sources.steps.streamed import SAMPLED, Streamed, held_whole, stream_steps
from lbtui.sources.steps.unnamed_rounds import are_unnamed, name_rounds
from lbtui.sources.store import Raw, Store
from lbtui.sources.tables.tables import usual_columns
from lbtui.text import _

# Rows that tell which process is of which domain; the parser writes a step of all cards close together.
_HEAD = 20_000


@dataclass(frozen=True)
class Scheduling:
    """What forward passes, scheduling rounds and their owners were found, from whichever files."""

    forward: Raw | None
    batch: Raw | None
    owners: Owners
    notes: tuple[Note, ...]
    # The steps of domains, where `forward` holds but the first passes of each process; what reads the others.
    joined: Loaded | None = None
    large: LargeForward | None = None
    batches: Loaded | None = None  # where they are known already


def load_scheduling(store: Store, progress: Progress) -> Scheduling:
    """Read raw forward and batch tables; from the trace what no table has.

    A large forward table is joined to steps while it is read, and not held.
    """
    notes: list[Note] = []
    if large := large_forward(store):
        streamed = _streamed(store, large, progress)
        if isinstance(streamed, Scheduling):
            return streamed
        notes = streamed
    batch, batch_notes = store.table("batch", progress)
    if are_rounded(store, progress):
        forward, forward_notes = rebuild_forward(store, batch, progress)
    else:
        forward, forward_notes = store.table("forward", progress)
    notes += [*forward_notes, *batch_notes]
    if store.has_trace and (forward is None or batch is None):
        traced_forward, traced_batch, trace_notes = scheduling_tables(store, progress)
        notes += trace_notes
        forward, batch = forward or traced_forward, batch or traced_batch
    forward, batch = possible_processes(forward), possible_processes(batch)
    if batch is not None and are_unnamed(batch):
        batch, owners, unnamed_notes = name_rounds(store, forward, batch, progress)
        notes += unnamed_notes
    else:
        owners = find_owners(forward, batch, read_hints(store, forward, batch, progress))
    for raw in (forward, batch):
        notes += raw.notes if raw else ()
    return Scheduling(forward, batch, owners, (*notes, *owners.notes))


def _streamed(store: Store, forward: LargeForward, progress: Progress) -> Scheduling | list[Note]:
    if why := why_held(store, progress):
        return [held_whole(forward, why)]
    batch, notes = store.table("batch", progress)
    batch = possible_processes(batch)
    if batch is None and store.has_trace:
        return [held_whole(forward, _("there is no batch table, and the trace may tell the rounds"))]
    if are_unnamed(batch):
        return [held_whole(forward, _("the batch table names no process"))]

    batches: list[Loaded] = []

    def rounds(owners: Owners) -> pl.DataFrame:
        batches[:] = [load_batches(Scheduling(None, batch, owners, ()))]
        return batches[0].frame

    def owners_of(sample: Raw) -> Owners:
        possible = possible_processes(sample)
        return find_owners(possible, batch, read_hints(store, possible, batch, progress))

    found = stream_steps(forward, owners_of, rounds, progress)
    if not isinstance(found, Streamed):
        return found
    store.keep_cuts(found.joined.notes)
    notes = [*notes, *(batch.notes if batch else ()), *found.joined.notes]
    joined = replace(found.joined, notes=tuple(dict.fromkeys(notes)))
    return Scheduling(found.sample, batch, found.owners, joined.notes, joined, forward, *batches)


def sample_of(store: Store, progress: Progress) -> StepSample | None:
    """Return a sample of the steps of DP domains in a large forward table; None where it tells none at once.

    So it is where the table must be held whole, or what tells its domains takes long to read. Raises
    `Unreadable`.
    """
    large = large_forward(store)
    if large is None or why_held(store, progress) is not None:
        return None
    batch = possible_processes(store.head("batch", usual_columns("batch"), _HEAD, progress))
    first = store.head("forward", SAMPLED, _HEAD, progress)
    if first is None or are_unnamed(batch) or (batch is None and store.has_trace):
        return None

    def owners_of(head: Raw) -> Owners:
        possible = possible_processes(head)
        if store.has_trace and not all_ranked(possible, batch):
            raise NotJoinable
        return find_owners(possible, batch, read_hints(store, possible, batch, progress))

    return sample_steps(large, first, owners_of)


def with_all_passes(store: Store, scheduling: Scheduling, progress: Progress) -> Scheduling:
    """Return the same with all rows of `forward`."""
    if scheduling.joined is None:
        return scheduling
    # Not kept in the store: the frame made of it is.
    forward, _notes = store.read("forward", usual_columns("forward"), progress)
    return replace(scheduling, forward=forward)


def steps_between(
    scheduling: Scheduling, batches: Loaded, window: tuple[int, int], progress: Progress
) -> pl.DataFrame | None:
    """Return the `steps` that start between two instants (µs), read now; None where all are held."""
    if scheduling.large is None or scheduling.forward is None:
        return None
    part = replace(scheduling.forward, frame=scheduling.large.between(*window, progress))
    return load_steps(replace(scheduling, forward=part), batches).frame


def load_batches(scheduling: Scheduling) -> Loaded:
    """Return `batches`: one row per executed scheduling round."""
    raw = scheduling.batch
    if raw is None:
        return Loaded(empty("batches"), notes=scheduling.notes)
    if scheduling.batches is not None:
        return scheduling.batches
    notes: list[Note] = []
    rounds, off_notes = _checked_rounds(executed_rounds(raw.frame), raw.provenance.file)
    notes += off_notes
    if rounds["name"].is_in(GROUPING).any():
        text = _("Some schedulers have no Execute or modelExec rows; their rounds are the grouping rows.")
        notes.append(Note(raw.provenance.file, text))
    frame = (
        rounds.join(scheduling.owners.frame, on="prof_id", how="left", suffix="_owner")
        .with_columns(dp_rank=pl.col("dp_rank_owner"))
        .sort("start", "domain", "prof_id", "end", "batch_size", maintain_order=True)
    )
    frame = canonical(frame, "batches")
    provenance = replace(raw.provenance, rows=frame.height)
    return Loaded(frame, (provenance,), tuple(notes))


def _checked_rounds(rounds: pl.DataFrame, file: str) -> tuple[pl.DataFrame, list[Note]]:
    """Return the rounds, with the end that their duration tells where it is plainly right."""
    if "duration" not in rounds.columns:
        return rounds, []
    return checked_durations(rounds.sort("start", maintain_order=True), file, "prof_id")


def load_steps(scheduling: Scheduling, batches: Loaded) -> Loaded:
    """Return `steps`: one row per forward pass and card; where no forward was recorded, per round.

    Prefill and decode sizes and tokens are those of the scheduling round of the same domain that encloses
    the forward pass and has the same batch size.
    """
    raw = scheduling.forward
    if raw is None or raw.frame.is_empty():
        notes = list(scheduling.notes)
        rounds = batches.frame.drop_nulls("prof_id")
        if not batches.frame.is_empty():
            file = batches.provenance[0].file
            text = _("No forward passes are recorded; steps are the schedulers' rounds instead.")
            if rounds.is_empty():
                text = _("No forward passes are recorded, and rounds name no process: no steps are known.")
            notes.append(Note(file, text))
        return Loaded(_rounds_as_steps(rounds), batches.provenance, tuple(notes))
    forwards = (
        raw.frame.drop("dp_rank", "host")
        .join(scheduling.owners.frame, on="prof_id", how="left")
        .sort("prof_id", "start", "end", "batch_size", maintain_order=True)
    )
    forwards, off_notes = checked_durations(forwards, raw.provenance.file, "prof_id")
    forwards = forwards.with_columns(
        forward_iter=pl.col("forward_iter").fill_null(pl.int_range(1, pl.len() + 1).over("prof_id")),
        bubble=pl.col("bubble").fill_null(_ms(pl.col("start").shift(-1).over("prof_id") - pl.col("end"))),
    )
    joined = _with_rounds(forwards, batches.frame)
    frame = joined.with_columns(phase=phase_by_type().fill_null(phase_by_size()))
    notes = [*scheduling.notes, *off_notes]
    uncovered = frame.height - int(frame["covered"].sum())
    if uncovered and not batches.frame.is_empty():
        notes.append(
            Note(
                raw.provenance.file,
                _(
                    "{count} of {all} forward passes lie in no scheduling round of their size; their tokens "
                    "are unknown."
                ).format(count=uncovered, all=frame.height),
            )
        )
    frame = canonical(frame.sort("start", "prof_id", maintain_order=True), "steps")
    return Loaded(frame, (raw.provenance, *batches.provenance), tuple(notes))


def _with_rounds(forwards: pl.DataFrame, batches: pl.DataFrame) -> pl.DataFrame:
    rounds = batches.filter(pl.col("domain").is_not_null()).select(
        "domain",
        "prefill_batch_size",
        "decode_batch_size",
        "tokens",
        start="start",
        round_end="end",
        round_size="batch_size",
    )
    keyed = forwards.with_columns(pl.col("domain").fill_null(""))
    joined = keyed.sort("start", maintain_order=True).join_asof(
        rounds.sort("start", maintain_order=True),
        on="start",
        by="domain",
        strategy="backward",
        check_sortedness=False,
    )
    fits = (pl.col("start") < pl.col("round_end")) & (pl.col("batch_size") == pl.col("round_size"))
    details = ["prefill_batch_size", "decode_batch_size", "tokens"]
    return joined.with_columns(
        *(pl.when(fits).then(pl.col(name)).alias(name) for name in details),
        covered=fits.fill_null(False),
        domain=pl.when(pl.col("domain") != "").then(pl.col("domain")),
    )


def _rounds_as_steps(batches: pl.DataFrame) -> pl.DataFrame:
    rounds = (
        batches.sort("prof_id", "start", maintain_order=True)
        .with_columns(
            forward_iter=pl.int_range(1, pl.len() + 1).over("prof_id"),
            duration=_ms(pl.col("end") - pl.col("start")),
            bubble=_ms(pl.col("start").shift(-1).over("prof_id") - pl.col("end")),
        )
        .sort("start", "prof_id", maintain_order=True)
    )
    return canonical(rounds, "steps")


def _ms(duration: pl.Expr) -> pl.Expr:
    return duration.dt.total_microseconds() / 1000
