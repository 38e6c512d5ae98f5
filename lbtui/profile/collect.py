"""Why a frame may be missing, and which collection domain or setting would have written it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lbtui.profile.schema import FrameName
from lbtui.text import _, in_clauses, with_brackets


class Collect(NamedTuple):
    """What a frame is called, the parser's files that have it, why it may be missing and how to collect it.

    `parsed` is why the parser's files may lack it all the same, `kept` how these have it.
    """

    what: str
    files: str
    reason: str
    how: str
    parsed: str = ""
    kept: str = ""


# The domains are those of upstream's collection config.
COLLECT: Mapping[FrameName, Collect] = {
    "steps": Collect(
        _("forward passes"),
        _("forward.csv"),
        _("domain ModelExecute was not recorded"),
        _('collect domain "Schedule" (older versions: "ModelExecute")'),
    ),
    "batches": Collect(
        _("scheduling rounds"),
        _("batch.csv"),
        _("domain Schedule was not recorded"),
        _('collect domain "Schedule" (older versions: "BatchSchedule")'),
    ),
    "kv": Collect(
        _("KV-cache blocks"),
        _("kvcache.csv"),
        _("domain KVCache was not recorded"),
        _('collect domain "KVCache"'),
        _("a MindIE trace alone has none (its KV counters are all 0)"),
        _("open the raw profile, or parse with --format csv or db"),
    ),
    "queues": Collect(
        _("queue lengths"),
        _("request_status.csv"),
        _("domain Schedule was not recorded"),
        _('collect domain "Schedule"'),
        _("the parser writes none of a disaggregated node of SGLang"),
    ),
    "nodes": Collect(
        _("requests per P/D node"),
        _("coordinator.csv"),
        _("not a P/D deployment, or domain Coordinator was not recorded"),
        _('collect domain "Coordinator"'),
        _("the parser also drops it without a word where its raw database has the slice layout"),
    ),
    "handoffs": Collect(
        _("P→D hand-offs"),
        _("pd_split_communication.csv"),
        _("not a P/D deployment, or domain Communication was not recorded"),
        _('collect domain "Communication"'),
    ),
    "transfers": Collect(
        _("KV pulls"),
        _("pd_split_kvcache.csv"),
        _("not a P/D deployment, or domain KVCache was not recorded"),
        _('collect domain "KVCache"'),
    ),
    "expert_heat": Collect(
        _("expert heat"),
        _("heatmap pictures, expert tables"),
        _("no MoE model, or domain eplb_observe was not recorded"),
        _(
            'collect domain "eplb_observe", with MINDIE_ENABLE_EXPERT_HOTPOT_GATHER=1 and '
            "MINDIE_EXPERT_HOTPOT_DUMP_PATH set before the service starts"
        ),
        _("or not parsable beside the others"),
    ),
    "layer_times": Collect(
        _("GroupedMatmul time per layer"),
        _("ep_balance.csv"),
        _("no MoE model, or operators were not recorded"),
        _("record with MSPTI collection"),
    ),
    "rank_intervals": Collect(
        _("fast and slow ranks"),
        _("moe_analysis.csv"),
        _("no MoE model, or operators were not recorded"),
        _("record with MSPTI collection"),
    ),
    "requests": Collect(
        _("requests"),
        _("request.csv"),
        _("domain Request was not recorded, or no request finished during the capture"),
        _('collect domain "Request" until at least one request has finished'),
    ),
    "speculation": Collect(
        _("speculative decoding"),
        _("spec_decode.csv"),
        _("only vLLM with speculative decoding records it"),
        _("serve vLLM with speculative decoding"),
        _("the parser writes it to CSV only"),
        _("open the raw profile, or parse with --format csv"),
    ),
}


def words_of(name: FrameName, *, raw: bool) -> tuple[str, str, str]:
    """Return what a frame is called, why it may be missing and how to have it.

    Of a raw profile (`raw`) nothing is said of the parser and its files: it is not made by it.
    """
    told = COLLECT[name]
    if raw:
        return told.what, told.reason, told.how
    reason, how = (
        in_clauses(filter(None, both)) for both in ((told.reason, told.parsed), (told.how, told.kept))
    )
    return with_brackets(told.what, told.files), reason, how
