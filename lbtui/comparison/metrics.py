"""The compared metrics: which direction is better, the smallest difference worth calling, and the formula."""

from __future__ import annotations

from lbtui.comparison.model import Metric
from lbtui.overview.model import Dimension
from lbtui.text import _, with_comma

FEWEST_PULLS = 5  # of a pair, to tell its mean
# Differences below these are called by nobody in practice, however certain: FIELD's tables skip layers below
# PAR 1.01 and act from 1.18 on; times and rates vary by some percent between equal runs of real services.
_PAR, _SHARE, _TIME, _RATE, _QUEUE = 0.03, 0.02, 0.05, 0.02, 0.5

REQUEST_RATE = Metric(
    "request_rate",
    "requests",
    _("request rate"),
    _("requests/s"),
    "neither",
    _("Requests that arrived / time from the first arrival to the last."),
    0.05,
    relative=True,
)
INPUT_TOKENS = Metric(
    "input_tokens",
    "requests",
    _("input length"),
    _("tokens"),
    "neither",
    _("Mean of input tokens over the requests."),
    0.05,
    relative=True,
)
OUTPUT_TOKENS = Metric(
    "output_tokens",
    "requests",
    _("output length"),
    _("tokens"),
    "neither",
    _("Mean of output tokens over the requests."),
    0.05,
    relative=True,
)

BATCH_SIZE_PAR = Metric(
    "batch_size.par",
    "dp",
    _("batch size, PAR"),
    _("max/mean"),
    "lower",
    _(
        "Σ max / Σ mean over the DP domains, each instant weighted by how long it lasts; an idle domain "
        "carries 0; instants with fewer requests than domains are left out."
    ),
    _PAR,
    headline=True,
)
TOKENS_PAR = Metric(
    "tokens.par",
    "dp",
    _("tokens, PAR"),
    _("max/mean"),
    "lower",
    _("Σ max / Σ mean over the DP domains of the tokens scheduled in a step, weighted by time."),
    _PAR,
)
WASTED_SHARE = Metric(
    "step_time.wasted",
    "dp",
    _("step time wasted"),
    _("share"),
    "lower",
    _(
        "Σ wait / Σ length of the steps that DP domains take together: from a domain's own end to the last "
        "end of the step; a domain's step and its length count once each."
    ),
    0.005,
    headline=True,
)
STEP_TIME_PAR = Metric(
    "step_time.par",
    "dp",
    _("step time, PAR"),
    _("max/mean"),
    "lower",
    _(
        "Σ max / Σ mean over the DP domains of how long the step lasts in which they are, each instant "
        "weighted by how long it lasts; 0 for an idle domain."
    ),
    _PAR,
    headline=True,
)
WAITING = Metric(
    "waiting.mean",
    "dp",
    _("waiting requests, mean"),
    _("requests"),
    "lower",
    _("Requests in the waiting queues of an instance's DP domains together, mean over time."),
    _QUEUE,
)
WAITING_P95 = Metric(
    "waiting.p95",
    "dp",
    _("waiting requests, p95"),
    _("requests"),
    "lower",
    _("Requests in the waiting queues of an instance's DP domains together: not more 95 % of the time."),
    _QUEUE,
)

KV_FULLEST = Metric(
    "usage.fullest.mean",
    "kv",
    _("highest KV use, mean"),
    _("share"),
    "lower",
    _(
        "Used / total blocks of the DP domain that is fullest at each instant, mean over time. MindIE writes "
        "no total: 1 − free / most ever free there."
    ),
    _SHARE,
    headline=True,
)
KV_PAR = Metric(
    "usage.par",
    "kv",
    _("KV use, PAR"),
    _("max/mean"),
    "lower",
    _(
        "Σ max / Σ mean over the DP domains of the share of KV blocks in use, each instant weighted by how "
        "long it lasts."
    ),
    _PAR,
)
KV_PEAK = Metric(
    "usage.fullest.p95",
    "kv",
    _("highest KV use, p95"),
    _("share"),
    "lower",
    _(
        "The peak of KV use: used / total blocks of the domain that is fullest at each instant; not above it "
        "95 % of the time. A single highest reading depends on the length of the run and is not compared."
    ),
    _SHARE,
)
KV_SPREAD = Metric(
    "usage.spread",
    "kv",
    _("KV use, spread over domains"),
    _("share"),
    "lower",
    _("KV use of the fullest domain − of the emptiest at each instant, mean over time."),
    _SHARE,
)

NODE_PAR = Metric(
    "added.par",
    "pd",
    _("requests per node, PAR"),
    _("max/mean"),
    "lower",
    _(
        "Requests added to the node of a role that received most / mean of the role's nodes, over the "
        "whole run."
    ),
    _PAR,
    headline=True,
)
PULL_PAIR_PAR = Metric(
    "transfer.pair.par",
    "pd",
    _("KV pull by pair, PAR"),
    _("max/mean"),
    "lower",
    _(
        "Mean KV pull of the slowest pair of source and decode rank / mean over the pairs, of which each "
        "counts once; pairs with fewer than {fewest} pulls are left out."
    ).format(fewest=FEWEST_PULLS),
    _PAR,
)
SOURCE_PAR = Metric(
    "transfer.source.par",
    "pd",
    _("KV pulls per P node, PAR"),
    _("max/mean"),
    "lower",
    _("KV pulls from the source that most came from / mean of the sources, over the whole run."),
    _PAR,
    headline=True,
)
KV_READY = Metric(
    "handoff.arrival_to_kv.mean",
    "pd",
    _("arrival → KV on D, mean"),
    _("ms"),
    "lower",
    _("End of a request's last KV pull − its arrival, mean over the requests of which both are known."),
    _TIME,
    relative=True,
    headline=True,
)
MEAN_LAYER_PAR = Metric(
    "rank_load.mean_layer_par",
    "ep",
    _("expert load of ranks, PAR of the mean layer"),
    _("max/mean"),
    "lower",
    _(
        "Max / mean over the ranks' shares of a layer's tokens, averaged over EPLB periods, then over the "
        "layers of both profiles. The interval compares layer by layer: it says how alike the layers "
        "changed, not how another hour would look."
    ),
    _PAR,
    headline=True,
)
WORST_LAYER_PAR = Metric(
    "rank_load.worst_layer_par",
    "ep",
    _("expert load of ranks, PAR of the worst layer"),
    _("max/mean"),
    "lower",
    _("Max / mean over the ranks in the layer in which it is highest, averaged over EPLB periods."),
    _PAR,
)

TIME_PER_TOKEN = Metric(
    "time_per_output_token.mean",
    "requests",
    _("time per output token, mean"),
    _("ms"),
    "lower",
    _("Σ time after the first token / Σ output tokens after the first, over the requests that tell both."),
    _TIME,
    relative=True,
    headline=True,
)
REQUEST_THROUGHPUT = Metric(
    "throughput.requests",
    "requests",
    _("throughput, requests"),
    _("requests/s"),
    "higher",
    _("Requests finished / time from the first arrival to the last end."),
    _RATE,
    relative=True,
)
TOKEN_THROUGHPUT = Metric(
    "throughput.output_tokens",
    "requests",
    _("throughput, output tokens"),
    _("tokens/s"),
    "higher",
    _("Output tokens of the finished requests / time from the first arrival to the last end."),
    _RATE,
    relative=True,
)
ATTAINMENT = Metric(
    "attainment",
    "requests",
    _("targets met"),
    _("share"),
    "higher",
    _(
        "Requests that met all targets / requests judged. The targets of both are those of --slo or the "
        "config; without them p95 of the baseline run, of TTFT and of time per output token."
    ),
    _SHARE,
)
GOODPUT = Metric(
    "goodput",
    "requests",
    _("goodput"),
    _("requests/s"),
    "higher",
    _("Requests that met all of these targets / time from the first arrival to the last end."),
    _RATE,
    relative=True,
)


def mean(key: str, label: str, dimension: Dimension, *, headline: bool = False) -> Metric:
    """Return the metric of the mean of a time per request, in ms."""
    return Metric(
        f"{key}.mean",
        dimension,
        with_comma(label, _("mean")),
        _("ms"),
        "lower",
        _("Mean over the requests for which it is known."),
        _TIME,
        relative=True,
        headline=headline,
    )


def percentile(key: str, label: str, share: float, dimension: Dimension) -> Metric:
    """Return the metric of a percentile of a time per request, in ms."""
    name = f"p{100 * share:.0f}"
    return Metric(
        f"{key}.{name}",
        dimension,
        with_comma(label, name),
        _("ms"),
        "lower",
        _("{share:.0f} % of the requests for which it is known lie at or below it.").format(
            share=100 * share
        ),
        _TIME,
        relative=True,
    )
