"""Every quantity of the P/D pane with its formula, unit, source and threshold."""

from __future__ import annotations

from lbtui.analysis.deviation import CHANCE, LEAST_SHARE
from lbtui.analysis.node_events import LEAST_BIN
from lbtui.analysis.prefill_decode import NODE_DEVIATIONS, NODE_RATIO, SLOW_RANK
from lbtui.text import _
from lbtui.ui.kit.pane import HelpEntry

HELP = [
    HelpEntry(
        _("added, ended"),
        _(
            "Requests that a node was given, and finished with, in a time bin. "
            "Source: coordinator.csv or profiler.db, whose bins are 5 s; the coordinator's events in a raw "
            "profile or trace, at their own times. Zero is grey, a missing row is a dot."
        ),
    ),
    HelpEntry(
        _("bins of events"),
        _(
            "Where events have their own times (raw profile, trace without coordinator.csv), a bin is the "
            "shortest of 1, 2, 5 × 10ⁿ s, 15 or 30 s, 1, 2, 5 min, … that is at least window / columns of "
            "the lanes, and {least:g} ms: it begins at a multiple of its length and has the events with "
            "begin ≤ time < end. So + and - change the bins, and lanes and table show those that the window "
            "touches; at every length the whole run has the same totals. A prefill node is given a request "
            "at RequestDispatch and ends it at its first GenerateToken; there the decode node is given it, "
            "and ends it at ReqFinish. With a baseline both profiles keep bins of 5 s."
        ).format(least=LEAST_BIN / 1000),
    ),
    HelpEntry(
        _("running"),
        _(
            "Requests on the node at the end of a bin: of events, all added − all ended before that. "
            "Upstream writes 0 in bins without events: where added = ended = 0 the last figure is carried "
            "forward, and marked ~ (underlined in the lanes) if the file's differs. Requests dispatched "
            "before the capture are unknown: every figure is a lower bound, and before a node's first event "
            "nothing is known."
        ),
    ),
    HelpEntry(
        _("colour"),
        _(
            "How far a cell is above the mean m of its role's nodes in the bin, beside what chance gives, as "
            "in DP: (value − m) / c, c = z·√m + (z² − 1) / 6, at least {least:.0%} of m, where Φ(z)ⁿ = "
            "{quantile:g} for n nodes: so high chance lifts the highest in one bin of five if each request "
            "goes to a random node. Up to 1 a cell has no colour and a lane the coldest, from 2 on the "
            "hottest. Without colour a shade stands behind the number, and lanes are bold from 1.3 on. Where "
            "the config expects shares, m is the node's share. Cells outside the seconds selected in another "
            "pane are grey."
        ).format(least=LEAST_SHARE, quantile=1 - CHANCE),
    ),
    HelpEntry(
        _("height of a lane"),
        _(
            "A bin / the largest of the same count and role in the bins there are. Of prefill and decode "
            "each has its own scale."
        ),
    ),
    HelpEntry(
        _("lanes hand-off wait, KV pull"),
        _(
            "The longest of the pulls that start in the bin, ms, from 0 to the longest of all. Hand-off "
            "wait: start of the KV pull (pd_split_kvcache.csv) − end of prefill "
            "(pd_split_communication.csv), each by its own host's clock. KV pull: its duration. "
            "Beside them p50 and p95 over the whole run "
            "(linear interpolation). No pull in a bin is a tick; a ? says that hosts' clocks differ. They "
            "stand below the nodes where there is room."
        ),
    ),
    HelpEntry(
        _("line chart"),
        _(
            "A line per node (of more than eight the busiest and the cursor's) over the bins of the whole "
            "run. The name of the cursor's node is lit and its line bold; the vertical line is the cursor's "
            "bin."
        ),
    ),
    HelpEntry(
        _("sum, max"),
        _(
            "Under each node: the sum of added and of ended, the largest running, over the lit bins or "
            "the whole run. At the right the same of the sums over all nodes of a role, whatever the "
            "filter."
        ),
    ),
    HelpEntry(
        _("share, × mean"),
        _(
            "share = node / sum over its role's nodes; × mean = node / mean of its role's nodes, over the "
            "lit bins or the whole run. Beside the lanes of the chosen count (running: mean over the "
            "bins), under the table of added requests."
        ),
    ),
    HelpEntry(
        _("even dispatch"),
        _(
            "What each node would get if every request went to a random node: N/k ± 2·√(N/k·(1 − 1/k)) "
            "for N requests on k nodes. A node is marked ! when its share is at least {ratio}× the mean "
            "and {deviations:g} standard deviations above N/k."
        ).format(ratio=NODE_RATIO, deviations=NODE_DEVIATIONS),
    ),
    HelpEntry(
        _("PAR"),
        _(
            "Peak to average: max / mean over a role's nodes of the requests added (or ended; running: "
            "mean over the bins) in the lit bins or the whole run. 1 is even. Chance alone: E[max] / mean "
            "of Poisson numbers with the same mean, the PAR of equal nodes under random dispatch."
        ),
    ),
    HelpEntry(
        _("hand-off stages, of whole"),
        _(
            "Differences of the five times of pd_split_communication.csv (ms, cut to ms there) of the "
            "requests that have both, whole profile: arrival (httpReq) → prefill done (prefillRes) → sent "
            "to D (sendReqToD) → received (sendReqToDSucc) → end (decodeRes). received → end holds the KV "
            "pull and the decode. Prefill done is put before sent, as the events come. ! marks a stage "
            "with negative times: there the events came in another order; and the stages to the end, which "
            "a decode host tells, where its clock differs from the prefill hosts'. of whole = mean / mean "
            "of arrival → end."
        ),
    ),
    HelpEntry(
        _("KV pull per rank, × median"),
        _(
            "during_time of pd_split_kvcache.csv (PullKVCache, ms) per rank of the decode side, whole "
            "profile. × median = the rank's median / median of the ranks' medians; ! from {slow} on. p50 "
            "and p95 are interpolated linearly."
        ).format(slow=SLOW_RANK),
    ),
    HelpEntry(
        _("hot spots (n, N)"),
        _(
            "The cursor starts on the node with most standard deviations above an even dispatch, in the "
            "bin where its added requests exceed the mean of its role's nodes most; then the other nodes by "
            "the same. Of a difference: the greatest difference of the chosen count of each node."
        ),
    ),
]
