"""What-if's quantities with formula, unit, source and threshold."""

from __future__ import annotations

from lbtui.analysis.eplb.price_words import FORMULAS
from lbtui.text import _
from lbtui.ui.kit.pane import HelpEntry


def entries() -> list[HelpEntry]:
    """Return the help of every quantity. Long: one entry a quantity."""
    return [
        HelpEntry(
            _("held out, fitted on (iterations)"),
            _(
                "The placement is made of the first half of the recorded iterations (fitted on) and judged "
                "on the second, which it has not seen (held out): that is the figure to trust, the other "
                "flatters. In brackets the iterations of each half; prefill and decode are halved each."
            ),
        ),
        HelpEntry(
            _("PAR mean, PAR worst (layer), by layer"),
            _(
                "Max / mean over ranks of a half's tokens in a layer; 1 is even. Mean over layers, and the "
                "worst layer with its number. Before (left of the arrow): as counted, under the placements "
                "in use. After: the same with a copy's load = its expert's tokens / its copies; shared "
                "experts and slots whose expert is unknown stay on their rank."
            ),
        ),
        HelpEntry(
            _("waiting, % of the time"),
            _(
                "Mean over layers of 1 − mean / max over ranks: the share of the ranks' time in expert "
                "computation that is waiting for the fullest."
            ),
        ),
        HelpEntry(
            _("R, redundant experts"),
            _(
                "Slots beyond one for each expert, over all ranks, in each layer. Only numbers that give "
                "every rank equally many slots are possible. Slots a rank: R / ranks more in each layer. MiB "
                "a rank: size of an expert (e) × that × layers; without the size it is unknown."
            ),
        ),
        HelpEntry(
            _("recommended R"),
            _(
                "The least R whose worst layer, held out, is within 2 % of the best of all R up to 64 (more "
                "than a fourth of 256 experts is not deployed), with the policy and the ranks chosen. "
                "No gain is said where that lowers the worst layer as it was by less than 2 %. What-if opens "
                "with it; 0 returns to it."
            ),
        ),
        HelpEntry(
            _("policy"),
            _(
                "Global: DeepSeek's EPLB: R times one more copy for the expert of the largest weight / "
                "copies, then by falling load each copy onto the lightest rank with a free slot. "
                "Hierarchical: groups of experts packed onto nodes first, copies made within each node. In "
                "use: the table at the end of the first half. Of the file: --placement."
            ),
        ),
        HelpEntry(
            _("experts to move"),
            _(
                "Slots whose expert is not yet on that rank, of all slots but shared experts', in all layers "
                "or in one; ranks are not renamed to save moves."
            ),
        ),
        HelpEntry(
            _("copies"),
            _(
                "Experts with more than one slot: in how many layers, and with how many slots in one layer "
                "at most where that is more than 2. Most copies first."
            ),
        ),
        HelpEntry(
            _("by its experts … × the mean, it carried …"),
            _(
                "Whether load follows its experts: load of each layer's fullest rank / mean of the ranks "
                "under all tables but the first, mean over layers, as counted, and as the experts' loads "
                "under the first table would give there. Where ranks are uneven (≥ 1.18, FlashLB) and "
                "less than half of it is so explained, something keeps ranks hot whichever experts they "
                "hold (padding, dummy tokens, a fixed routing), and What-if promises too much."
            ),
        ),
        *(HelpEntry(name, text) for name, text in FORMULAS),
        HelpEntry(
            _("EPLB is not recommended …"),
            _(
                "vllm-ascend's limits: decode with at most 8 experts (slots a rank) or fewer than 128 tokens "
                "a die; here the tokens that the experts of one rank get in one layer and iteration, mean of "
                "all, a token counted once for each expert it goes to. Prefill inputs below 1024 tokens are "
                "not recorded here."
            ),
        ),
    ]
