"""Why a frame of the parser's files differs from that of the raw profile: its faults, with their reasons."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from lbtui.profile import FrameName
from lbtui.sources.events import READERS
from tests.bench.engine_truth import Process, begun_anew, idle_schedulers
from tests.bench.frame_rows import Difference

Trait: TypeAlias = Literal[
    "begun anew", "coordinator in slice layout", "scheduler that ran nothing", "card without rank"
]
PICTURES = "heat_png"  # the reader


def traits_of(processes: list[Process]) -> frozenset[Trait]:
    """Return what of a recording lets a fault of the parser act that else does not."""
    found: set[Trait] = set()
    if begun_anew(processes):
        found.add("begun anew")
    if any(p.layout == "slice" and any(e.domain == "Coordinator" for e in p.events) for p in processes):
        found.add("coordinator in slice layout")
    if idle_schedulers(processes):
        found.add("scheduler that ran nothing")
    passes = (e for p in processes if p.dp_rank is None for e in p.events if e.name == "forward")
    if any("dp_rank" not in event.args for event in passes):
        found.add("card without rank")
    return frozenset(found)


class Place(NamedTuple):
    """Where a difference was found."""

    engine: str
    frame: FrameName
    reader: str  # of the parsed frame; empty where there is none
    whole_seconds: bool  # whether its times are cut to these
    traits: frozenset[Trait] = frozenset()

    @property
    def tables(self) -> bool:
        """Whether the parsed frame is of CSVs or profiler.db."""
        return bool(self.reader) and self.reader not in READERS


def fault_of(difference: Difference, place: Place) -> str | None:
    """Return the fault that explains a difference, None where none does."""
    return next(
        (why for why, wheres in _FAULTS.items() if any(where.holds(difference, place) for where in wheres)),
        None,
    )


class _Where(NamedTuple):
    """The differences that a fault explains; what is left empty is any."""

    frame: FrameName
    engines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    tables: bool | None = None
    whole_seconds: bool | None = None
    reader: str | None = None
    trait: Trait | None = None

    def holds(self, difference: Difference, place: Place) -> bool:
        return (
            place.frame == self.frame
            and (not self.engines or place.engine in self.engines)
            and (not self.columns or difference.column in self.columns)
            and (not self.kinds or difference.kind in self.kinds)
            and self.tables in (None, place.tables)
            and self.whole_seconds in (None, place.whole_seconds)
            and self.reader in (None, place.reader)
            and (self.trait is None or self.trait in place.traits)
        )


_MINDIE, _V0, _V1, _SGLANG = ("MindIE",), ("vLLM v0",), ("vLLM v1",), ("SGLang",)
_BLOCKS = ("free_blocks", "used_blocks", "total_blocks", "usage")
_FAULTS: dict[str, tuple[_Where, ...]] = {
    "MindIE: request.csv has N/A for every cache hit rate, as rows of domain KVCache are dropped before they "
    "are looked up; the trace has no such rows.": (
        _Where("requests", _MINDIE, ("cache_hit_rate",), ("parsed unknown",)),
    ),
    "SGLang: request.csv has N/A for every cache hit rate, which is in events of another name, HitCache.": (
        _Where("requests", _SGLANG, ("cache_hit_rate",), ("parsed unknown",), tables=True),
    ),
    "vLLM: of cache hits the trace has but counters, and these name no request.": (
        _Where("requests", _V1, ("cache_hit_rate",), ("parsed unknown",), tables=False),
    ),
    "MindIE: the KV counters of the trace are 0 throughout.": (
        _Where("kv", _MINDIE, ("",), ("only raw",), tables=False),
    ),
    "kvcache.csv is cut to whole seconds where db is among the formats: of one second the order is the "
    "rows'.": (_Where("kv", _MINDIE, ("time", *_BLOCKS), ("other",), whole_seconds=True),),
    "MindIE: kvcache.csv does not keep the order of readings of one microsecond.": (
        _Where("kv", _MINDIE, _BLOCKS, ("other",), tables=True, whole_seconds=False),
    ),
    "kvcache.csv names no process: what a request freed that began anew elsewhere, as its domain had ended, "
    "cannot be told from what a prefill node frees after the pull.": (
        _Where(
            "kv", _MINDIE, ("", "time"), ("only raw", "only parsed", "other"), tables=True, trait="begun anew"
        ),
    ),
    "MindIE: request.csv has the time to the end of the last round of iteration 0, and a request that begins "
    "anew has two.": (_Where("requests", _MINDIE, ("ttft",), ("other",), tables=True, trait="begun anew"),),
    "coordinator.csv is not written where the coordinator's database is in slice layout: the parser looks "
    "for names in the messages.": (
        _Where("nodes", columns=("",), kinds=("only raw",), reader="", trait="coordinator in slice layout"),
    ),
    "With --format csv alone experts are in pictures: 256 colours, no tokens, no placements.": (
        _Where("expert_heat", columns=("expert", "tokens"), kinds=("parsed unknown",), reader=PICTURES),
        _Where("expert_heat", columns=("share",), kinds=("other",), reader=PICTURES),
        _Where("placements", columns=("",), kinds=("only raw",), reader=""),
    ),
    "vLLM: batch.csv has the KV blocks of rounds alone, at the end of each; of what is freed after them it "
    "has none.": (_Where("kv", _V1, ("", "time", *_BLOCKS), ("only raw", "other"), tables=True),),
    "vLLM: the KV counters of the trace have the free blocks of rounds and no total, and 0 for all else.": (
        _Where("kv", _V1, ("", "time", *_BLOCKS), ("only raw", "other", "parsed unknown"), tables=False),
    ),
    "vLLM v0: the number of sequences that hold blocks is written for that of free blocks, and the number of "
    "these is dropped.": (_Where("kv", _V0, ("",), ("only raw",)),),
    "vLLM v0: queues are named in lower case, and request_status.csv looks for capitals.": (
        _Where("queues", _V0, ("",), ("only raw",)),
    ),
    "Where `status` names the queue, request_status.csv has events of the name Queue alone.": (
        _Where("queues", _V1, ("",), ("only raw",), reader=""),
    ),
    "vLLM, SGLang: events of several requests are not split: request.csv has no time to first token, that of "
    "a later token, or the end of the step or the span.": (
        _Where("requests", (*_V0, *_V1, *_SGLANG), ("ttft",), ("other", "parsed unknown"), tables=True),
    ),
    "vLLM, P and D apart: request.csv has the number of tokens that the prefill node replied, 1.": (
        _Where("requests", _V1, ("output_tokens",), ("parsed unknown",), tables=True),
    ),
    "SGLang: kvcache.csv names neither process nor request: readings that rounds do not place are left out, "
    "and those of tensor parallel ranks.": (
        _Where("kv", _SGLANG, ("", "time", *_BLOCKS), ("only raw", "other"), tables=True),
    ),
    "vLLM: speculation stands in spec_decode.csv alone, neither in profiler.db nor in the trace.": (
        _Where("speculation", _V1, ("",), ("only raw",)),
    ),
    "No file of the parser names rank or host of a scheduler that ran nothing.": (
        _Where(
            "queues",
            columns=("", "instance", "dp_rank", "domain"),
            kinds=("only raw", "only parsed", "parsed unknown"),
            trait="scheduler that ran nothing",
        ),
    ),
    "No file of the parser tells which process started which: cards that name no rank are placed by their "
    "batches.": (
        _Where("steps", _V1, ("dp_rank", "domain"), ("other",), trait="card without rank"),
        _Where(
            "steps",
            _V1,
            ("phase", "prefill_batch_size", "decode_batch_size", "tokens"),
            ("parsed unknown", "other"),
            trait="card without rank",
        ),
    ),
    "SGLang: request_status.csv has rows of Enqueue and Dequeue, of which no length is recorded.": (
        _Where("queues", _SGLANG, ("",), ("only parsed",), tables=True),
    ),
    "SGLang: request_status.csv and the columns it is made of know no queue of disaggregated nodes.": (
        _Where("queues", _SGLANG, ("",), ("only raw",)),
    ),
}
