"""When a request's first token came, where request.csv is wrong: events of several requests are not split.

Upstream takes the first `detokenize` row that names the request alone: vLLM and SGLang write one row for all
requests of a step. The trace tells the truth; without it, what comes after the step that made the first token
is doubtful.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from lbtui.profile import Note, Progress, Provenance, Unreadable
from lbtui.sources.failure import unreadable_note
from lbtui.sources.res_list import prefilled_ids
from lbtui.sources.steps.engine import engine_of
from lbtui.sources.steps.phases import phase_by_type
from lbtui.sources.steps.recorded import EXECUTION
from lbtui.sources.store import Raw, Store
from lbtui.sources.tables import database
from lbtui.text import _, in_sentences, visible

_TIME = pl.Datetime("us")
_FIRST = pl.Schema([("request_id", pl.String()), ("arrived", _TIME), ("token", _TIME)])
_EXACT = 1.0  # ms: differences below are those of cut times
_COLUMNS = ("name", "prof_id", "start", "end", "batch_type", "res_list")
# An event names one request, or a list of ids or of objects with `rid`. Of P and D engines that take the same
# request, the token counts that comes after the last has taken it: P's is thrown away.
_QUERY = """
WITH told AS (
    SELECT name, timestamp, json_extract(args, '$.res_list') AS ids, json_type(args, '$.res_list') AS kind
    FROM slice WHERE name IN ('httpReq', 'detokenize') AND json_valid(args)
), single AS (
    SELECT t.name, t.timestamp,
           CASE e.type WHEN 'object' THEN json_extract(e.value, '$.rid') ELSE e.value END AS rid
    FROM told t, json_each(CASE t.kind WHEN 'array' THEN t.ids ELSE json_array(t.ids) END) e
), arrived AS (
    SELECT rid, min(timestamp) AS first, max(timestamp) AS last
    FROM single WHERE name = 'httpReq' GROUP BY rid
)
SELECT rid, first / 1000, min(timestamp) / 1000
FROM arrived JOIN single USING (rid)
WHERE name = 'detokenize' AND timestamp >= last
GROUP BY rid
"""


def with_first_tokens(
    requests: pl.DataFrame, file: str, store: Store, batch: Raw | None, progress: Progress
) -> tuple[pl.DataFrame, list[Note], tuple[Provenance, ...]]:
    """Return the frame `requests` with `ttft` of the trace, or null where it is doubtful; notes, and whence.

    `batch` is the raw table; of engines whose times to first token the parser gets right nothing changes.
    """
    if batch is None or engine_of(batch.frame) in (None, "mindie") or requests.is_empty():
        return requests, [], ()
    trace, notes = store.trace(progress)
    if trace is not None and not trace.requests.is_empty():
        told = trace.requests.select("request_id", true="ttft").drop_nulls()
        whence = trace.provenance(told.height)
        return *_replaced(requests, told, file, trace.file, notes), (whence,)
    late = _late(requests, store, batch, progress)
    if late.is_empty() and not requests["ttft"].null_count():
        return requests, notes, ()
    if store.database and {"slice"} <= store.database_tables:
        name = f"{store.database.name}:slice"
        try:
            with database.connect(store.database, progress) as opened:
                events = opened.query(_QUERY, _FIRST).drop_nulls()
        except Unreadable as error:
            notes.append(unreadable_note(name, error))
        else:
            true = (pl.col("token") - pl.col("arrived")).dt.total_microseconds() / 1000
            told = events.select("request_id", true=true)
            whence = Provenance(visible(name), "sqlite", _("1 µs"), told.height)
            return *_replaced(requests, told, file, visible(name), notes), (whence,)
    return *_without(requests, late, file, notes), ()


def _replaced(
    requests: pl.DataFrame, told: pl.DataFrame, file: str, of: str, notes: list[Note]
) -> tuple[pl.DataFrame, list[Note]]:
    true = told.drop_nulls().unique("request_id", keep="first", maintain_order=True)
    joined = requests.join(true, on="request_id", how="left", maintain_order="left")
    wrong = joined.filter((pl.col("ttft").fill_null(0) - pl.col("true")).abs() > _EXACT).height
    if wrong:
        text = _(
            "{count} of {all} times to first token are unknown here or not those of the events in {other}, "
            "which are used: the parser does not split events of several requests."
        )
        notes = [*notes, Note(file, text.format(count=wrong, all=requests.height, other=of))]
    return joined.with_columns(ttft=pl.coalesce("true", "ttft")).drop("true"), notes


def _without(
    requests: pl.DataFrame, late: pl.DataFrame, file: str, notes: list[Note]
) -> tuple[pl.DataFrame, list[Note]]:
    doubtful = pl.col("request_id").is_in(late["request_id"].implode())
    unknown = requests["ttft"].null_count()
    count = requests.filter(doubtful).height
    said = []
    if 0 < unknown < requests.height:
        said.append(
            _(
                "{count} of {all} times to first token are written as 0: unknown. They are of requests that "
                "were prefilled together with others, which wait longer: the percentiles are too low."
            ).format(count=unknown, all=requests.height)
        )
    if count:
        said.append(
            _(
                "{count} of {all} times to first token are doubtful and left out: they end more than one "
                "step after the round that computed the request's last prompt token."
            ).format(count=count, all=requests.height)
        )
    if not said:
        return requests, notes
    said.append(
        _("The parser does not split events of several requests; a trace (--format json or db) tells them.")
    )
    ttft = pl.when(~doubtful).then(pl.col("ttft")).alias("ttft")
    return requests.with_columns(ttft), [*notes, Note(file, in_sentences(*said))]


def _late(requests: pl.DataFrame, store: Store, batch: Raw, progress: Progress) -> pl.DataFrame:
    """Return the requests whose first token comes later than one step after their last prompt token."""
    ends = _latest(batch.frame)

    def prompts(parts: Iterator[pl.DataFrame]) -> pl.DataFrame:
        kind = phase_by_type()
        rounds = (
            part.filter(pl.col("name").is_in(EXECUTION), kind.is_in(["prefill", "mixed"]))
            .select("row", request_id=prefilled_ids("res_list", alone=kind == "prefill"))
            .explode("request_id", empty_as_null=True)
            .drop_nulls()
            for part in parts
        )
        nothing = pl.DataFrame(schema={"row": pl.Int64, "request_id": pl.String})
        return pl.concat([nothing, *rounds])

    found = store.parts(batch, "batch", _COLUMNS, prompts, progress)
    limits = found.join(ends, on="row").group_by("request_id").agg(pl.col("latest").max())
    token = pl.col("arrival") + pl.duration(microseconds=(pl.col("ttft") * 1000).round())
    return requests.join(limits, on="request_id").filter(token > pl.col("latest")).select("request_id")


def _latest(rounds: pl.DataFrame) -> pl.DataFrame:
    """Return of each execution (by `row`) when one step after it ends, at which `latest` its tokens are out.

    That is the end of the next one, or a usual step later where none follows at once.
    """
    ordered = rounds.filter(pl.col("name").is_in(EXECUTION)).sort("prof_id", "start")
    length = pl.col("end") - pl.col("start")
    following = pl.col("start").shift(-1).over("prof_id")
    at_once = following - pl.col("end") <= length
    return ordered.select(
        "row",
        latest=pl.when(at_once)
        .then(pl.col("end").shift(-1).over("prof_id"))
        .otherwise(pl.col("end") + length.median().over("prof_id"))
        .cast(_TIME),
    )
