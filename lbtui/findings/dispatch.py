"""How many requests were sent to each DP domain, over time."""

from __future__ import annotations

import numpy as np
import polars as pl

from lbtui.analysis.data_parallel import by_domain_and_start
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.lanes import Micros
from lbtui.findings.evidence import Evidence
from lbtui.profile import Domain

_PAUSE = 3  # steps


def dispatched(evidence: Evidence, domains: list[Domain], edges: Micros) -> Floats:
    """Return the requests sent to each domain in each bin, [domain, bin].

    These are the requests that began and those by which the domain's queue grew, where queues are recorded.
    On a decode domain requests begin by KV pulls; where these are not recorded, by each growth of its batch.
    Others prefill each request once. Chunked prefill repeats requests: if more are counted than the profile
    finished, each counts for less.
    """
    pulls = _pulls(evidence, domains)
    if pulls is not None:
        return _counted(pulls, domains, edges)  # a pull comes before the queue
    events = _begun(evidence, domains)
    counts = _counted(events, domains, edges)
    finished, total = evidence.frame("requests").height, float(events["requests"].sum())
    if 0 < finished < total:
        counts *= finished / total
    sent = np.cumsum(counts, axis=1) + _queues(evidence, domains, edges)
    # Counts and queue samples come at different times; what was sent never falls, nor below none where a
    # queue drains into rounds that are not there.
    return np.diff(np.maximum.accumulate(np.maximum(sent, 0.0), axis=1), axis=1, prepend=0.0)


def sent_to(evidence: Evidence, domains: list[Domain]) -> pl.DataFrame:
    """Return when requests began on (or were pulled to) each domain: `domain`, `start`, `requests`."""
    pulls = _pulls(evidence, domains)
    if pulls is not None:
        return pulls
    return _begun(evidence, domains)


def _counted(events: pl.DataFrame, domains: list[Domain], edges: Micros) -> Floats:
    parts = {str(key[0]): part for key, part in events.partition_by("domain", as_dict=True).items()}
    counts = np.zeros((len(domains), len(edges) - 1))
    for row, domain in enumerate(domains):
        part = parts.get(domain.key, events.clear())
        times = part["start"].cast(pl.Int64).to_numpy()
        counts[row] = np.histogram(times, edges, weights=part["requests"].to_numpy())[0]
    return counts


def _queues(evidence: Evidence, domains: list[Domain], edges: Micros) -> Floats:
    """Return each domain's queue at the end of each bin less that at the first edge, 0 without readings."""
    levels = np.zeros((len(domains), len(edges)))
    for row, lane in enumerate(evidence.lanes("waiting", domains)):
        if len(lane.starts):
            at = np.searchsorted(lane.starts, edges, side="right") - 1
            levels[row] = np.where(at >= 0, lane.values[np.maximum(at, 0)], 0.0)
    return levels[:, 1:] - levels[:, :1]


def _pulls(evidence: Evidence, domains: list[Domain]) -> pl.DataFrame | None:
    """Return the KV pulls of decode domains, None unless each pull's rank names one of them."""
    if any(evidence.roles.get(d.key) != "decode" for d in domains):
        return None
    pulls = evidence.frame("transfers").drop_nulls(["rank", "start"])
    decoding = {d.dp_rank: d.key for d in evidence.domains if evidence.roles.get(d.key) == "decode"}
    ranks = set(pulls["rank"].to_list())
    # Two instances that repeat a rank share their pulls: whose is whose is unknown then.
    alone = len(decoding) == sum(role == "decode" for role in evidence.roles.values())
    if not ranks or not alone or not ranks <= decoding.keys():
        return None
    keys = pl.DataFrame(
        {"rank": list(decoding), "domain": list(decoding.values())},
        schema={"rank": pl.Int32, "domain": pl.String},
    )
    return pulls.join(keys, on="rank").select("domain", "start", requests=pl.lit(1.0))


def _begun(evidence: Evidence, domains: list[Domain]) -> pl.DataFrame:
    """Return the requests that each step begins: those it prefills, or by which its batch has grown."""
    prefilled = pl.when(pl.col("phase") == "prefill").then("batch_size").otherwise("prefill_batch_size")
    grown = pl.col("batch_size").diff().over("domain").fill_null(pl.col("batch_size"))
    # After a pause of some steps the batch has grown from nothing; a shorter one may be a step left out.
    pause = pl.col("start") - pl.col("end").shift(1).over("domain")
    fresh = (pause > _PAUSE * (pl.col("end") - pl.col("start"))).fill_null(True)
    # There may be millions: nothing else is moved.
    steps = evidence.own_steps.select("domain", "start", "end", "phase", "batch_size", "prefill_batch_size")
    own = steps.filter(pl.col("domain").is_in([d.key for d in domains]))
    counted = by_domain_and_start(own).select(
        "domain",
        "start",
        prefilled=prefilled.fill_null(0).cast(pl.Float64),
        grown=pl.when(fresh).then("batch_size").otherwise(grown).clip(lower_bound=0).cast(pl.Float64),
    )
    source = "prefilled" if counted["prefilled"].sum() > 0 else "grown"
    return counted.select("domain", "start", requests=pl.col(source).fill_null(0.0))
