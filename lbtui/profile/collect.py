"""Why a frame may be missing, and which collection domain or setting would have written it."""

from __future__ import annotations

from collections.abc import Mapping

from lbtui.profile.schema import FrameName
from lbtui.text import _

# what, reason, how to collect; the domains are those of upstream's collection config.
COLLECT: Mapping[FrameName, tuple[str, str, str]] = {
    "steps": (
        _("forward passes (forward.csv)"),
        _("domain ModelExecute was not recorded"),
        _('collect domain "Schedule" (older versions: "ModelExecute")'),
    ),
    "batches": (
        _("scheduling rounds (batch.csv)"),
        _("domain Schedule was not recorded"),
        _('collect domain "Schedule" (older versions: "BatchSchedule")'),
    ),
    "kv": (
        _("KV-cache blocks (kvcache.csv)"),
        _("domain KVCache was not recorded; a MindIE trace alone has none (its KV counters are all 0)"),
        _('collect domain "KVCache"; open the raw profile, or parse with --format csv or db'),
    ),
    "queues": (
        _("queue lengths (request_status.csv)"),
        _(
            "domain Schedule was not recorded, or it is a disaggregated node of SGLang, of which "
            "none is written"
        ),
        _('collect domain "Schedule"'),
    ),
    "nodes": (
        _("requests per P/D node (coordinator.csv)"),
        _(
            "not a P/D deployment, or domain Coordinator was not recorded; the parser also drops it without "
            "a word where its raw database has the slice layout"
        ),
        _('collect domain "Coordinator"'),
    ),
    "handoffs": (
        _("P→D hand-offs (pd_split_communication.csv)"),
        _("not a P/D deployment, or domain Communication was not recorded"),
        _('collect domain "Communication"'),
    ),
    "transfers": (
        _("KV pulls (pd_split_kvcache.csv)"),
        _("not a P/D deployment, or domain KVCache was not recorded"),
        _('collect domain "KVCache"'),
    ),
    "expert_heat": (
        _("expert heat (heatmap pictures, expert tables)"),
        _("no MoE model, or domain eplb_observe was not recorded or not parsable beside the others"),
        _(
            'collect domain "eplb_observe", with MINDIE_ENABLE_EXPERT_HOTPOT_GATHER=1 and '
            "MINDIE_EXPERT_HOTPOT_DUMP_PATH set before the service starts"
        ),
    ),
    "layer_times": (
        _("GroupedMatmul time per layer (ep_balance.csv)"),
        _("no MoE model, or operators were not recorded"),
        _("record with MSPTI collection"),
    ),
    "rank_intervals": (
        _("fast and slow ranks (moe_analysis.csv)"),
        _("no MoE model, or operators were not recorded"),
        _("record with MSPTI collection"),
    ),
    "requests": (
        _("requests (request.csv)"),
        _("domain Request was not recorded, or no request finished during the capture"),
        _('collect domain "Request" until at least one request has finished'),
    ),
    "speculation": (
        _("speculative decoding (spec_decode.csv)"),
        _("only vLLM with speculative decoding records it; the parser writes it to CSV only"),
        _("serve vLLM with speculative decoding; open the raw profile, or parse with --format csv"),
    ),
}
