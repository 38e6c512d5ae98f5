"""The EP pane's quantities with formula, unit, source and threshold."""

from __future__ import annotations

from lbtui.text import _
from lbtui.ui.kit.pane import HelpEntry
from lbtui.ui.panes.ep.data import EpData, ViewName
from lbtui.ui.panes.ep.time_help import time_entries
from lbtui.ui.panes.ep.words import why_absent


def entries(data: EpData | None, absent: tuple[ViewName, ...]) -> list[HelpEntry]:
    """Return the help of every quantity, and why the `absent` views are not there.

    Long: one entry a quantity.
    """
    listed = [
        HelpEntry(
            _("rank × layer, expert × layer, model expert × layer"),
            _(
                "What a column is: a rank; a slot, one expert of a rank, by rank; or an expert of the model "
                "wherever its copies lie. A row is an MoE layer."
            ),
        ),
        HelpEntry(
            _("share"),
            _(
                "Tokens of the cell / tokens of its layer, in %, summed over one EPLB period. From the "
                "expert tables in profiler.db or the trace (exact), else read back from the heatmap "
                "pictures (each cell to 1/256 of its map's range; tokens are not in them)."
            ),
        ),
        HelpEntry(
            _("× mean"),
            _(
                "Share / mean share of the layer's columns. For model experts the mean leaves out shared "
                "experts, which every token passes: those that every rank holds in every layer; in "
                "pictures the last expert, if it equals the sum of the ranks' last slots in every layer. "
                "They are grey in map and bars, of experts and of slots, and count neither for the colour "
                "scale, nor for cells that cover others too, nor for n. In the expert view a column is a "
                "slot and the mean is over all slots."
            ),
        ),
        HelpEntry(
            _("PAR"),
            _(
                "Peak-to-average ratio over ranks, in one layer and period: max / mean; 1 is even. MindIE"
                " (flash_lb) re-balances above 1.3, vllm-ascend (FlashLB) above 1.18. (3 of 58) is the "
                "layer's place by falling PAR. Rank loads from the by_rank map, else the expert map "
                "summed over each rank's slots."
            ),
        ),
        HelpEntry(
            _("go to (/)"),
            _(
                "layer=31, rank=3, expert=120, period=2, or several of them with blanks between: the cursor "
                "goes there as you write, Enter stays, Escape returns to where it was. Nothing is hidden. A "
                "view that cannot show it gives way to the first that can. Of an expert's copies it is the "
                "most loaded of the layer; with a rank the one there. In the views of processes rank is "
                "their place in pid order, a guess."
            ),
        ),
        HelpEntry(
            _("colour scale"),
            _(
                "From the smallest value to the 99.5 % quantile of all cells without shared experts, but "
                "at least to 1.3× mean, so that an even map looks even; hotter cells share the last "
                "colour and the legend says ≥. One scale over all periods, or with C the shown period's. "
                "A relative map (scale of the picture unreadable) runs from 0 to 1 of its own range."
            ),
        ),
        HelpEntry(
            _("max of … experts × … layers"),
            _(
                "Zoomed out, a drawn cell shows the largest value it covers; the cursor enters it at that"
                " value. + shows less and finer, 0 the whole map."
            ),
        ),
        HelpEntry(
            _("mean p0, p1, … and mean of all layers"),
            _(
                "Mean of each column over the layers, for each EPLB period; as bars, from the lower to the "
                "upper end of the colour scale."
            ),
        ),
        HelpEntry(
            _("GroupedMatmul time"),
            _(
                "ep_balance: time of the GroupedMatmul operators, summed over the capture, in ms, per "
                "layer and process; × mean is over the processes of the layer. Columns are pids; no file "
                "maps them to ranks, and numeric pid order is a guess at the rank."
            ),
        ),
        HelpEntry(
            _("fast/slow ranks"),
            _(
                "moe_analysis: mean time of one MoeDistributeDispatch or Combine call of a process, in "
                "µs, with the 95 % t-interval of that mean (not quantiles: it narrows with more calls); ×"
                " mean is over the processes. Read it INVERTED: the time is mostly waiting for others, so"
                " the most loaded or slowest card shows the shortest."
            ),
        ),
    ]
    if data is not None and any(shown.kind == "copies" for shown in data.maps.values()):
        listed.append(
            HelpEntry(
                _("copies"),
                _(
                    "Of a placement file without any load: in how many slots of its layer an expert lies. "
                    "The colour scale reaches at least to 2."
                ),
            )
        )
    listed += time_entries()
    if data is not None and absent:
        listed.append(
            HelpEntry(_("not in this profile"), "\n    ".join(why_absent(data, view) for view in absent))
        )
    return listed
