"""Findings on the data themselves: what makes the other findings less certain."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from lbtui.findings.clock_skew import find_clocks
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Figure, Finding
from lbtui.text import _, in_list, in_series, visible, with_label, without_stop
from lbtui.thresholds import Thresholds

_NO_COST = Cost(None, "", _("data quality costs certainty, not time"))


def find_data(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """Yield what the user should mind about the data."""
    yield from _cut(evidence)
    yield from _outside(evidence)
    yield from _short(evidence, limits)
    yield from _missing(evidence)
    yield from _rebuilt(evidence)
    yield from _vanished(evidence)
    yield from _unknown_ranks(evidence)
    yield from _units(evidence)
    yield from _unread(evidence)
    yield from _unknown_names(evidence, limits)
    yield from find_clocks(evidence, limits)


def _note(id: str, figure: Figure, message: str, advice: str) -> Finding:
    return Finding(
        id=id,
        severity="info",
        subject={},
        metric=figure.metric,
        value=figure.value,
        threshold=figure.threshold,
        cost=_NO_COST,
        message=message,
        advice=advice,
        evidence=figure.evidence,
        excess=1.0,
    )


def _cut(evidence: Evidence) -> Iterator[Finding]:
    for note in evidence.cuts:
        if note.cut is not None:
            yield _note(
                "data.file.cut",
                Figure(_("share of the file that was read"), note.cut.done / note.cut.total, 1, note.file),
                _("All findings are of a part of {file}: {why}").format(file=note.file, why=note.text),
                _("Have all of it read (R)."),
            )


def _outside(evidence: Evidence) -> Iterator[Finding]:
    """Rows far in time from the capture shown, and captures that are not shown: they enter no figure."""
    notes = dict.fromkeys(note for loaded in evidence.frames.values() for note in loaded.notes)
    for note in notes:
        if note.outside is None:
            continue
        strays = note.outside.what == "rows"
        yield _note(
            "data.rows.stray" if strays else "data.captures",
            Figure(_("rows outside the capture shown"), note.outside.count, 1, note.file),
            with_label(note.file, note.text),
            _("Look at the times of these rows in the file; the rest is not biased by them.")
            if strays
            else _("Record each capture into a folder of its own."),
        )


def _short(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    window = evidence.window
    # Of a file read in part the window is not the capture's.
    if window is None or evidence.cuts:
        return
    seconds = (window[1] - window[0]).total_seconds()
    if seconds < limits.short_capture_seconds:
        yield _note(
            "data.capture.short",
            Figure(
                _("seconds captured"),
                seconds,
                limits.short_capture_seconds,
                _("first and last time in all files"),
            ),
            _("The capture is {seconds:.0f} s long; what is rarer than that is not in it.").format(
                seconds=seconds
            ),
            _("Record at least {seconds:.0f} s of steady load.").format(seconds=limits.short_capture_seconds),
        )


def _missing(evidence: Evidence) -> Iterator[Finding]:
    for missing in evidence.missing:
        yield _note(
            "data.missing",
            Figure(_("frames without data"), 1, 1, missing.what),
            _("No {what}: {reason}.").format(what=missing.what, reason=missing.reason),
            missing.how_to_collect,
        )


def _rebuilt(evidence: Evidence) -> Iterator[Finding]:
    nodes = evidence.frame("nodes")
    differing = nodes.filter(pl.col("running") != pl.col("running_written"))
    if differing.height:
        yield _note(
            "data.running.rebuilt",
            Figure(_("cells rebuilt"), differing.height, 1, evidence.file("nodes")),
            _(
                "{count} of {all} running counts were rebuilt: the parser writes 0 in bins without events."
            ).format(count=differing.height, all=nodes.height),
            _("Do not read running_count of coordinator.csv as it stands."),
        )


def _vanished(evidence: Evidence) -> Iterator[Finding]:
    """Requests that the coordinator's table should hold but does not."""
    nodes, requests = evidence.frame("nodes"), evidence.frame("requests")
    # Of files read in part no sums agree.
    if nodes.is_empty() or requests.is_empty() or evidence.cuts:
        return
    for (role,), part in nodes.group_by(["role"], maintain_order=True):
        added = int(part["added"].sum())
        if added < requests.height:
            yield _note(
                "data.rows.vanished",
                Figure(
                    _("requests missing from the coordinator's table"),
                    requests.height - added,
                    1,
                    evidence.file("nodes"),
                ),
                _(
                    "{requests} requests finished, but {role} nodes add up to {added}: rows off the 5 s grid "
                    "vanish in the parser."
                ).format(requests=requests.height, role=role, added=added),
                _("Trust the shares between nodes more than their totals."),
            )


def _unknown_ranks(evidence: Evidence) -> Iterator[Finding]:
    steps = evidence.frame("steps")
    unknown = steps.filter(pl.col("dp_rank").is_null())
    every, count = steps.height, unknown.height
    if evidence.are_joined:
        # Steps are joined; passes of no domain are none of them.
        every = evidence.frames["steps"].provenance[0].rows
        count = every - int(steps.filter(pl.col("dp_rank").is_not_null())["cards"].sum())
    if count:
        yield _note(
            "data.dp_rank.unknown",
            Figure(_("steps without dp_rank"), count, 1, evidence.file("steps")),
            _(
                "{count} of {all} steps carry no dp_rank; on {hosts} domains are named by pid, or dp? where "
                "a host has one."
            ).format(
                count=count,
                all=every,
                hosts=visible(in_list(unknown["host"].cast(pl.String).unique().sort().to_list()), 200),
            ),
            _(
                "Without DP, and with SGLang, which records no rank, this is as it should be; else profile "
                "the scheduler too (domain Schedule)."
            ),
        )


def _units(evidence: Evidence) -> Iterator[Finding]:
    """batch.csv names microseconds `(ms)`; read as what they are, and said."""
    provenance = evidence.frames["batches"].provenance
    columns = provenance[0].microseconds if provenance else ()
    if evidence.frame("batches").height and columns:
        yield _note(
            "data.units.renamed",
            Figure(_("columns in another unit than named"), len(columns), 1, provenance[0].file),
            _("{columns} of batch are microseconds; they are read as such.").format(
                columns=visible(in_series(columns), 200)
            ),
            _("Mind this when reading the file with other tools."),
        )


def _unread(evidence: Evidence) -> Iterator[Finding]:
    """Expert heat by iteration that a finding on experts asked for in vain."""
    if note := evidence.unread_series:
        yield _note(
            "data.iterations.unread",
            Figure(_("reads that failed"), 1, 1, evidence.file("expert_heat")),
            _("{why}; what re-balancing would bring is not told.").format(why=without_stop(note.text)),
            _("Run again; if it stays so, report this message."),
        )


def _unknown_names(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """Entries of `[expected]` in the config that name nothing of this profile."""
    addresses = evidence.frame("nodes")["address"].cast(pl.String).unique().to_list()
    unknown = limits.expected.unknown(evidence.domains, addresses)
    if unknown:
        yield _note(
            "data.expected.unknown",
            Figure(_("entries of the config without effect"), len(unknown), 1, _("config, [expected]")),
            _(
                "[expected] of the config names {names}, which this profile does not have; DP domains here "
                "are {domains}, nodes {nodes}."
            ).format(
                names=visible(in_list(name for name, _share in unknown), 200),
                domains=visible(in_list(sorted({d.name for d in evidence.domains})) or "-", 200),
                nodes=visible(in_list(sorted(addresses)) or "-", 200),
            ),
            _("Name domains as their lanes are named (dp3, host/dp3, instance/dp3), nodes by ip:port."),
        )
