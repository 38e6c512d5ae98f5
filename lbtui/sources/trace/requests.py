"""The life of each request as the trace's point events tell it: arrival, first token, P→D hand-off, end."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from lbtui.profile import SCHEMAS
from lbtui.sources.tables.row_buffer import RowBuffer


@dataclass(slots=True)
class _Life:
    """Times in us since 1970, exact; None where no such event was seen."""

    arrival: float | None = None
    last_arrival: float | None = None
    first_response: float | None = None
    detokenized: dict[int, float] = field(default_factory=dict)  # by pid, the first time
    response: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    enqueued: float | None = None
    dequeued: float | None = None
    received_by_p: float | None = None
    prefill_done: float | None = None
    sent: float | None = None
    accepted_by_d: float | None = None
    decode_done: float | None = None

    def first_token(self) -> float | None:
        """Return when the client got its first token; None where that is unknown.

        vLLM's proxy sends a request to a prefill engine and then to a decode engine, and passes on nothing
        of the first: what counts is the first token after the last arrival.
        """
        if self.first_response is not None or self.last_arrival is None:
            return self.first_response
        since = self.last_arrival
        return min((time for time in self.detokenized.values() if time >= since), default=None)


# Event name -> (field, which of several events counts).
_STAGES = {
    "httpReq": ("arrival", min),
    "sendResponse": ("first_response", min),  # MindIE
    "httpRes": ("response", max),
    "receiveReq": ("received_by_p", min),
    "prefillRes": ("prefill_done", min),
    "sendReqToD": ("sent", min),
    "sendReqToDSucc": ("accepted_by_d", min),
    "decodeRes": ("decode_done", max),
}
_DETOKENIZE = "detokenize"  # vLLM, SGLang
STAGE_EVENTS = frozenset(_STAGES) | {_DETOKENIZE}


class RequestLives:
    """Gathers the events of each request id."""

    def __init__(self) -> None:
        self._lives: dict[str, _Life] = {}

    def stage(self, name: str, rid: str, pid: int, time: float) -> None:
        """Take an event of `STAGE_EVENTS`; of a span the time is its beginning."""
        life = self._life(rid)
        if name == _DETOKENIZE:
            life.detokenized[pid] = min(time, life.detokenized.get(pid, time))
            return
        stage, choose = _STAGES[name]
        known = getattr(life, stage)
        setattr(life, stage, time if known is None else choose(known, time))
        if stage == "arrival":
            life.last_arrival = time if life.last_arrival is None else max(life.last_arrival, time)

    def tokens(self, rid: str, received: int | None, replied: int | None) -> None:
        """Take the token counts that `httpReq` (MindIE) or `httpRes` carry."""
        life = self._life(rid)
        if received is not None:
            life.input_tokens = received
        if replied is not None:
            life.output_tokens = replied

    def waiting(self, rid: str, time: float, *, entered: bool) -> None:
        """Take the request's entry into a waiting queue, or its leaving one."""
        life = self._life(rid)
        if entered:
            life.enqueued = time if life.enqueued is None else min(life.enqueued, time)
        else:
            life.dequeued = time if life.dequeued is None else max(life.dequeued, time)

    def _life(self, rid: str) -> _Life:
        life = self._lives.get(rid)
        if life is None:
            life = self._lives[rid] = _Life()
        return life

    def requests(self) -> pl.DataFrame:
        """Return the canonical frame `requests`, by arrival, of every request that has an HTTP event.

        ttft = `first_token` - first httpReq. queue_wait = last Dequeue - first Enqueue of a waiting queue,
        which over P and D covers the prefill between them, as in request.csv. duration = last httpRes -
        httpReq; request.csv cuts both to ms first. cache_hit_rate is not in a trace: null.
        """
        rows = RowBuffer(SCHEMAS["requests"])
        for rid, life in self._lives.items():
            if life.arrival is None and life.response is None:
                continue
            rows.add(
                rid,
                _floor(life.arrival),
                life.input_tokens,
                life.output_tokens,
                _milliseconds(life.arrival, life.first_token()),
                _milliseconds(life.enqueued, life.dequeued),
                _milliseconds(life.arrival, life.response),
                None,
            )
        return rows.frame().sort("arrival", nulls_last=True, maintain_order=True)

    def handoffs(self) -> pl.DataFrame:
        """Return the canonical frame `handoffs`, by arrival, of every request that has a Communication event.

        The five times are those of pd_split_communication.csv: httpReq (else receiveReq), sendReqToD,
        sendReqToDSucc, prefillRes, decodeRes.
        """
        rows = RowBuffer(SCHEMAS["handoffs"])
        for rid, life in self._lives.items():
            stages = (life.sent, life.accepted_by_d, life.prefill_done, life.decode_done)
            if life.received_by_p is None and all(stage is None for stage in stages):
                continue
            arrival = life.received_by_p if life.arrival is None else life.arrival
            rows.add(rid, _floor(arrival), *map(_floor, stages))
        return rows.frame().sort("arrival", nulls_last=True, maintain_order=True)


def _floor(time: float | None) -> int | None:
    return None if time is None else int(time)


def _milliseconds(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else (end - start) / 1000
