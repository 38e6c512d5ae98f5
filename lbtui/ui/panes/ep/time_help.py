"""What the EP pane shows of single iterations: formulas, units, thresholds."""

from __future__ import annotations

from lbtui.text import _
from lbtui.ui.kit.pane import HelpEntry


def time_entries() -> list[HelpEntry]:
    """Return the help of the figures over iterations. Long: one entry a quantity."""
    return [
        HelpEntry(
            _("tokens (m)"),
            _(
                "m colours the map by tokens instead of × mean. Only expert tables know them; where there"
                " are none the map stays in shares and the state line says so. p shows prefill, decode, "
                "or both added up, where the source tells them apart."
            ),
        ),
        HelpEntry(
            _("over time: PAR mean, PAR max, balance"),
            _(
                "One column is one iteration (what passed between two readings of the counters) or "
                "several, never of two EPLB periods unless there are more periods than columns. PAR mean:"
                " max / mean over ranks of an iteration's tokens, mean over layers, mean over the column."
                " PAR max: of the worst layer, the largest in the column. Balance ratio, as upstream "
                "draws it: standard deviation over ranks (of the population) of raw token counts, in "
                "tokens, mean over layers; 0 is even, and it grows with traffic. Colours are of the whole "
                "run, whatever the width: PAR from 1 to the largest of all iterations, at least 1.3; balance "
                "from 0 to the largest, at least 0.3× the mean tokens of a rank in a layer. A mark with p1 "
                "is where the table of period 1 begins."
            ),
        ),
        HelpEntry(
            _("along the iterations (, . Space)"),
            _(
                "Map, PAR and figures are then of the iterations named in the state line; their colour "
                "scale is that of 24 such stretches spread over the run (g: their own). Space runs, four "
                "columns a second, to the last with tokens; Escape stops, then returns to the whole period."
            ),
        ),
        HelpEntry(
            _("hot in … iterations; stays, moves"),
            _(
                "Iterations of this EPLB period in which a rank has ≥ ep_par (1.3, MindIE flash_lb) × its"
                " layer's mean, a slot or expert ≥ ep_expert_ratio (4.5) ×. A layer is hot when its PAR "
                "is ≥ ep_par. Its hot spot stays if one rank is the fullest in more than half of the hot "
                "iterations, else it moves; moves count how often the fullest was another than in the hot"
                " iteration before. Hot together: two slots of one rank, hot in the same iterations. With"
                " few tokens an iteration chance alone makes cells hot."
            ),
        ),
        HelpEntry(
            _("copies"),
            _(
                "Slots that hold the same model expert in this layer: each copy's part of the expert's "
                "load, and max / mean over its copies. Shared experts are not counted as copies."
            ),
        ),
        HelpEntry(
            _("What-if (w)"),
            _(
                "What another placement of the experts would bring, in its own page with its own keys and "
                "help; Escape returns."
            ),
        ),
    ]
