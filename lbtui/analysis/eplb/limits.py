"""What a what-if does not see, and when EPLB is not recommended, in words."""

from __future__ import annotations

from lbtui.analysis.eplb.recorded import Check, Recorded
from lbtui.analysis.eplb.what_if import WhatIf
from lbtui.text import _, in_sentences

# vllm-ascend's documentation does not recommend EPLB for decode at or below these.
FEW_EXPERTS = 8
FEW_TOKENS = 128


def routed_tokens(data: Recorded) -> float:
    """Return the tokens that experts of one rank got in one layer and iteration, mean of all."""
    iterations = data.first.iterations + data.second.iterations
    layers, ranks = data.first.ranks.shape
    total = float(data.first.ranks.sum() + data.second.ranks.sum())
    mean: float = total / (iterations * layers * ranks)
    return mean


def check_words(check: Check) -> str:
    """Return whether the load followed its experts when the table changed, with its numbers."""
    text = _(
        "by their experts the fullest ranks of later tables should carry {predicted:.2f}× the mean; they "
        "carried {counted:.2f}."
    ).format(predicted=check.predicted, counted=check.counted)
    lead = _("Expect no such gain:") if check.fails else _("Load follows its experts:")
    return in_sentences(lead, text)


def limits(data: Recorded, found: WhatIf) -> tuple[str, ...]:
    """Return the sentences that a user of a what-if must know, those about this load first."""
    said = []
    if not data.placed:
        said.append(_("No placement is known: each slot is taken for an expert, copies are not recognised."))
    if found.slots_per_rank <= FEW_EXPERTS:
        sentence = _("EPLB is not recommended for decode with {limit} or fewer experts a die: here {count}.")
        said.append(sentence.format(limit=FEW_EXPERTS, count=found.slots_per_rank))
    tokens = routed_tokens(data)
    if tokens < FEW_TOKENS:
        sentence = _(
            "EPLB is not recommended for decode with fewer than {limit} tokens a die: here its experts get "
            "{count:.0f} an iteration, and a token counts once for each expert it goes to."
        )
        said.append(sentence.format(limit=FEW_TOKENS, count=tokens))
    said += [
        _("It sees tokens, not what sending them costs."),
        _("A replica is taken to get its equal part of its expert's tokens."),
        _("PAR is of a half's tokens in all; single iterations are less even."),
        _("EPLB is not recommended for prefill inputs below 1024 tokens (vllm-ascend)."),
    ]
    return tuple(said)
