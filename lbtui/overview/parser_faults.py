"""Why the parser's files tell other numbers than the raw profile: its faults, as the manual lists them."""

from __future__ import annotations

from typing import NamedTuple

from lbtui.profile import FrameName
from lbtui.text import _

_TRACE = "trace"


class Where(NamedTuple):
    """Where two readings differ: the engine, the quantity with its frame, and how the output tells it.

    `reader` is that of the output's frame, or where this has no rows (`missing`) of its passes or rounds.
    """

    engine: str | None
    quantity: str
    frame: FrameName
    reader: str
    missing: bool


class _Fault(NamedTuple):
    """A fault, and the differences that it explains; what is left empty is any."""

    text: str
    frame: FrameName
    engines: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()
    missing: bool | None = None

    def explains(self, where: Where) -> bool:
        return (
            where.frame == self.frame
            and (not self.engines or where.engine in self.engines)
            and (not self.readers or where.reader in self.readers)
            and (not self.quantities or where.quantity in self.quantities)
            and self.missing in (None, where.missing)
        )


def fault_of(where: Where) -> str:
    """Return the fault that explains a difference, a sentence; empty where none is known."""
    return next((fault.text for fault in _FAULTS if fault.explains(where)), "")


_TABLES = ("csv", "sqlite")
_MINDIE, _V0, _VLLM, _SGLANG = ("mindie",), ("vllm v0",), ("vllm", "vllm v0"), ("sglang",)
# In this order the first that explains it is told.
_FAULTS: tuple[_Fault, ...] = (
    _Fault(
        _("The parser drops MindIE's rows on KV before it looks up cache hit rates in them."),
        "requests",
        _MINDIE,
        quantities=("cache_hits",),
    ),
    _Fault(
        _("The parser looks for SGLang's cache hits in events of another name."),
        "requests",
        _SGLANG,
        _TABLES,
        ("cache_hits",),
    ),
    _Fault(
        _("The trace counts vLLM's cache hits, and names no request with them."),
        "requests",
        _VLLM,
        (_TRACE,),
        ("cache_hits",),
    ),
    _Fault(
        _("An event of several requests is not split: a request has the time of a later one, or none."),
        "requests",
        (*_VLLM, *_SGLANG),
        _TABLES,
        ("ttft", "ttft_max"),
    ),
    _Fault(
        _("Of P and D apart request.csv has the tokens that the prefill node replied: 1."),
        "requests",
        _VLLM,
        _TABLES,
        ("output_tokens",),
    ),
    _Fault(
        _("The parser joins ids that MindIE links in one process and its workers alone, not in chains."),
        "requests",
        _MINDIE,
        _TABLES,
        ("requests",),
        missing=False,
    ),
    _Fault(
        _("Parsers before March 2026 drop the requests of vLLM from 0.14 on, whose ids have a suffix."),
        "requests",
        _VLLM,
        _TABLES,
        missing=True,
    ),
    _Fault(_("The trace has 0 in all of MindIE's KV counters."), "kv", _MINDIE, (_TRACE,)),
    _Fault(
        _("kvcache.csv names no owner of MindIE's blocks; beside a db its times are cut to whole seconds."),
        "kv",
        _MINDIE,
        _TABLES,
        missing=False,
    ),
    _Fault(_("The number of sequences is written for vLLM v0's free blocks."), "kv", _V0),
    _Fault(
        _("The trace has vLLM's free blocks of rounds and no total, and 0 for all else."),
        "kv",
        _VLLM,
        (_TRACE,),
    ),
    _Fault(
        _("batch.csv has vLLM's KV blocks at the end of rounds, and not what is freed after them."),
        "kv",
        _VLLM,
        _TABLES,
        missing=False,
    ),
    _Fault(
        _("kvcache.csv names no process of SGLang's: readings that no round places are left out."),
        "kv",
        _SGLANG,
        _TABLES,
        missing=False,
    ),
    _Fault(_("The parser looks for capitals: vLLM v0 names its queues in lower case."), "queues", _V0),
    _Fault(
        _("request_status of profiler.db names no process, so that its lengths cannot be told apart."),
        "queues",
        readers=("sqlite",),
    ),
    _Fault(
        _(
            "The parser has rows of SGLang's Enqueue and Dequeue, which record no length, and knows no queue "
            "of disaggregated nodes."
        ),
        "queues",
        _SGLANG,
        _TABLES,
    ),
    _Fault(
        _("The parser writes no coordinator.csv where the coordinator's database has the slice layout."),
        "nodes",
        readers=_TABLES,
        missing=True,
    ),
    _Fault(_("The parser writes speculation to spec_decode.csv alone."), "speculation", missing=True),
    _Fault(
        _("The pictures hold shares, not tokens, and lose the last mark of each period."),
        "expert_heat",
        readers=("heat_png",),
    ),
    _Fault(
        _("ep_balance.csv has 58 layers whatever the model."), "layer_times", readers=_TABLES, missing=False
    ),
    _Fault(
        _("The parser joins dp_rank by pid alone: equal pids of two hosts get one."),
        "steps",
        readers=_TABLES,
        quantities=("domains",),
    ),
)
