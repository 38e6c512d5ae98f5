"""Hand-made comparisons: no file, no statistics, every verdict."""

import math

from lbtui.comparison import Comparison, Metric, Row
from lbtui.overview.model import Place

RATE = Metric(
    "request_rate", "requests", "request rate", "requests/s", "neither", "Rate.", 0.05, relative=True
)
INPUT = Metric(
    "input_tokens", "requests", "input length", "tokens", "neither", "Length.", 0.05, relative=True
)
PAR = Metric(
    "batch_size.par", "dp", "batch size, PAR", "max/mean", "lower", "Max / mean.", 0.03, headline=True
)
WAITING = Metric("waiting.mean", "dp", "waiting requests, mean", "requests", "lower", "In queues.", 0.5)
KV = Metric(
    "usage.fullest.mean",
    "kv",
    "KV use of the fullest domain, mean",
    "share",
    "lower",
    "Used / total.",
    0.02,
    headline=True,
)
NODES = Metric(
    "added.par", "pd", "requests per node, PAR", "max/mean", "lower", "Busiest / mean.", 0.03, headline=True
)
PULL = Metric("transfer.p95", "pd", "KV pull, p95", "ms", "lower", "95 % lie below.", 0.05, relative=True)
EXPERTS = Metric(
    "rank_load.mean_layer_par",
    "ep",
    "expert load of ranks, PAR of the mean layer",
    "max/mean",
    "lower",
    "Max / mean.",
    0.03,
    headline=True,
)
TTFT = Metric("ttft.p95", "requests", "TTFT, p95", "ms", "lower", "95 % lie below.", 0.05, relative=True)
TOKENS = Metric(
    "throughput.output_tokens",
    "requests",
    "throughput, output tokens",
    "tokens/s",
    "higher",
    "Per second.",
    0.02,
    relative=True,
)
NOWHERE, D0 = Place(), Place(instance="server-d0")


def rows(*, loads_differ=False):
    """Return one row of each kind, in the order of the report."""
    rate = Row(RATE, NOWHERE, "no_evidence", 2.6, 2.58, -0.2, 0.16, 0.8, 1.0)
    if loads_differ:
        rate = Row(
            RATE, NOWHERE, "not_comparable", 2.6, 3.4, 0.4, 1.2, 0.0001, 0.0002, "the load itself differs"
        )
    return (
        rate,
        Row(INPUT, NOWHERE, "no_evidence", 560, 563, -20, 26, 0.8, 1.0),
        Row(PAR, D0, "worse", 1.42, 1.82, 0.25, 0.55, 0.0001, 0.002),
        Row(WAITING, D0, "too_little_data", 0, 2, -1, 5, 0.4, reason="before: thin; 10 are needed"),
        Row(KV, D0, "better", 0.72, 0.02, -0.93, -0.47, 0.0001, 0.002),
        Row(NODES, Place(role="prefill"), "no_evidence", 1.4, 1.3, -0.3, 0.1, 0.2, 1.0),
        Row(PULL, NOWHERE, "not_comparable", math.nan, 41.0, reason="before: no KV pull is recorded"),
        Row(
            EXPERTS, D0, "no_evidence", 1.41, 1.43, 0.005, 0.035, 0.001, 0.01, "beyond chance, but too small"
        ),
        Row(TTFT, NOWHERE, "worse", 402, 931, 300, 760, 0.0003, 0.004),
        Row(TOKENS, NOWHERE, "better", 20.6, 22.6, 1.2, 2.8, 0.0008, 0.01),
    )


def comparison(**options):
    """Return a comparison of two folders."""
    return Comparison("/runs/before/output", "/runs/after/output", rows(**options))
