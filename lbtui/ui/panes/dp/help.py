"""What the help says of the DP pane's figures."""

from __future__ import annotations

from lbtui.analysis.data_parallel import METRICS
from lbtui.analysis.deviation import CHANCE, LEAST_SHARE
from lbtui.text import _, with_brackets
from lbtui.ui.kit.pane import HelpEntry
from lbtui.ui.panes.dp.data import PLACES, SCAN_BINS
from lbtui.ui.panes.dp.passes import MOST


def help_of() -> list[HelpEntry]:
    """Return every quantity on the pane with formula, unit and source. Long: one entry a quantity."""
    return [
        *(HelpEntry(with_brackets(m.label, m.unit), m.formula) for m in METRICS),
        HelpEntry(
            _("Domains and lanes"),
            _(
                "One lane per DP domain: instance and dp_rank, since prefill and decode instances reuse the "
                "numbers. The forward passes of a domain's cards that overlap in time are one step: its "
                "batch counts once, its slowest card sets its time. A batch holds over the bubble to the "
                "next step if that is no longer than the step. All comparisons are within one instance, "
                "which is one role of one engine: a domain that hardly decodes is of the prefill role, one "
                "that mostly decodes beside such of the decode role, and a dp_rank that repeats is of "
                "another engine. Each instance has its own scale, from 0 to the largest value drawn (KV "
                "usage: to 100 %). In a terminal of 40 lines and more batch size and KV cache usage stand "
                "together where all domains have room. A domain whose dp_rank is not recorded is named by "
                "its pid."
            ),
        ),
        HelpEntry(
            _("Column"),
            _(
                "The mean over the column's time, or with a the worst value in it (the highest; of free "
                "blocks the lowest). Batch sizes and tokens are 0 while the domain runs no step; "
                "forward and bubble time are means over steps, each counted once. A small tick is no "
                "data."
            ),
        ),
        HelpEntry(
            _("A sample, until all is read"),
            _(
                "Of a forward table of some hundred MB and more batch sizes are shown at once from a "
                "sample: some 260,000 rows in blocks at even distances. A column is Σ batch size · time / Σ "
                "time of the steps that begin in its blocks, held over their bubbles; of a domain that "
                "rests at times / Σ time of the blocks. Lanes are solid up to the low end of the band that "
                "holds the exact mean of nine columns of ten (ratio estimate, Student's t over a column's "
                "blocks), and dim from there to its high end; columns are wider where blocks tell too "
                "little. No max, PAR or place that stands out is told from it. The exact lanes take its "
                "place, and the cursor stays. A table whose rows are not in the order of time has none, nor "
                "has a comparison."
            ),
        ),
        HelpEntry(
            _("Height and colour"),
            _(
                "The height tells the load, the colour how far the lane stands above its peers (of free "
                "blocks below), beside what chance gives: (value − m) / c, where m is the mean of the "
                "instance's lanes in the column and c = z·√(q·m) + q·(z² − 1) / 6, at least {least:.0%} of "
                "m. So high chance lifts the highest of n lanes in one column of five (Cornish and Fisher's "
                "quantile of a Poisson number, Φ(z)ⁿ = {quantile:g}). q is what the load comes in: one "
                "request; of other metrics half the mean square of what (value − m) / √m changes by within "
                "an eighth of the time, of the middle lane. Up to 1 the colour is the coldest, from 2 on the "
                "hottest; without colour bold from 1.3 on. PAR has that of the highest lane. Where the "
                "config expects shares, m is the lane's share. It depends neither on the width nor on the "
                "zoom."
            ).format(least=LEAST_SHARE, quantile=1 - CHANCE),
        ),
        HelpEntry(
            _("!! and ! at a lane, brackets above"),
            _(
                "Findings that show in the metric, as the Overview lists them: !! critical, ! warning, and "
                "over the lanes from when to when. What it is stands below when the cursor is in the lane. "
                "They are looked for once, beside what is shown: by the Overview, or as soon as this pane is "
                "there."
            ),
        ),
        HelpEntry(
            _("at cursor, mean, p95, max, × mean"),
            _(
                "at cursor: the value at the cursor's instant (of a difference, and of PAR or min/mean, that "
                "of the column). mean and p95 over the window shown, each value weighted by how long it "
                "holds, idle time as 0 for batch sizes and tokens; for forward and bubble time every step "
                "counts once. p95: the least value at or below which 95 % of that weight lies. × mean: the "
                "lane's mean / the mean of its instance's lanes' means; bold is the lane furthest to the bad "
                "side."
            ),
        ),
        HelpEntry(
            _("Free KV blocks"),
            _(
                "Few is bad: what is below its peers is hot, p5 and min stand for p95 and max, × mean below "
                "1 is the scarce lane, and the lane below shows min / mean over the lanes (1 = even, lower = "
                "worse; over the window Σ w·min / Σ w·mean) in place of PAR. Pools of different size differ "
                "without fault."
            ),
        ),
        HelpEntry(
            _("PAR over lanes"),
            _(
                "Peak to average, max / mean over the instance's lanes: 1 = even, higher = worse. A "
                "column: of the lanes' column means. The window: Σ w·max / Σ w·mean over all instants, "
                "each weighted by its duration w, idle lanes as 0 for batch sizes and tokens. For "
                "numbers of requests instants with fewer requests than lanes are left out (one request "
                "on eight lanes would read 8.0), and beside it stands what chance alone gives: Σ "
                "w·E[max] / Σ w·mean where each lane holds a Poisson number of requests with the mean "
                "of that instant, or its share of it where `[expected]` in the config gives one."
            ),
        ),
        HelpEntry(
            _("Hot spots (n, N; the cursor starts at the first)"),
            _(
                "The lane and the interval with the largest Σ (value − mean of the instance's lanes) / "
                "√length over {bins} equal bins of the whole time: high and long both count. The cursor goes "
                "to where half of that excess has gathered. Then the next ones that do not overlap, {places} "
                "at most. s orders lanes by it. Of a difference they are where after − before is furthest "
                "from 0. It ranks; it is no test against chance."
            ).format(bins=SCAN_BINS, places=PLACES),
        ),
        HelpEntry(
            _("Chart (c)"),
            _(
                "The steps of the window, y against forward_iter, one line per dp_rank of the cursor's "
                "instance. forward_iter counts per card: equal numbers of two domains are not the same "
                "instant. Metrics that are not of steps show the batch size instead."
            ),
        ),
        HelpEntry(
            _("Filter (/)"),
            _(
                "Terms with a blank between; all must hold. A term is a part of a host, an instance or a "
                "domain's name; or dp=2 (its rank), host=NAME (whole, or as it stands at the lane), "
                "domain=NAME (key, host, instance or name); of several with commas between (dp=1,3) one must "
                "fit. It hides lanes, lines of the chart and rows of the table, and n goes to places in the "
                "lanes shown. It changes no number: PAR, chance, × mean, colours, scales and the ranks of "
                "hot spots stay those of all domains."
            ),
        ),
        HelpEntry(
            _("Metrics at a glance (state line; m, M)"),
            _(
                "Each metric that has data with its PAR (of free blocks min / mean) over the whole run, as "
                "the Overview has it, of the instance that is furthest beyond chance; named run's where only "
                "a part of the run is drawn. !! and ! mark the worst finding on it. … is not read yet, – is "
                "nothing to compare. The pane opens on the metric of the worst finding, on batch size if "
                "none is known. m goes round these, M lists all, and why one has no data."
            ),
        ),
        HelpEntry(
            _("Table of forward passes (t)"),
            _(
                "One row per forward pass and card, of DP domains only, as forward.csv has it: prof_id is "
                "the card's process, forward_iter its own counter, forward ms is during_time, bubble ms "
                "bubble_time. prefill, decode and tokens are of the scheduling round that the pass begins "
                "in, if that has its batch size. – is unknown. Shown are those that begin in the window; "
                "unknown values come last in either order, equal ones by begin. The pass under the cursor "
                "sets the time and the domain of all panes. Of a file too large to be held the window's "
                "passes are read when asked for, at most {most}: those about the cursor; the line above "
                "tells of how many, and Escape cancels the reading."
            ).format(most=f"{MOST:,}"),
        ),
    ]
