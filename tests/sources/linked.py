"""A small service by hand whose parts number its requests anew, and say so by `Link` records.

Two servers of MindIE, each front and scheduler in one process, count requests from 1; a third scheduler has
ids of its own, which the first server links. Old ones write messages with `^`, and links without a name.
"""

import json
from pathlib import Path

from tests.tools.expert_format import RawMark, write_raw

START = 1_767_225_600_000_000_000
MS = 1_000_000


def link(at, source, to, *, old):
    """Return the record that `to` is the request `source`."""
    fields = {"from": source, "to": to, "type": 3}
    if not old:
        return RawMark(START + at * MS, fields, "Link", "Request")
    message = json.dumps({"domain": "Request", **fields}, separators=(",", ":")).replace('"', "^")
    return RawMark(START + at * MS, {}, text=message)


def event(at, name, domain, rid, **fields):
    return RawMark(START + at * MS, {"rid": rid, **fields}, name, domain)


def span(at, until, name, domain, rid, **fields):
    return RawMark(START + at * MS, {"rid": rid, **fields}, name, domain, START + until * MS)


def life(at, client, own, tokens):
    """Yield the records of one request in its server, the front's by the client's id."""
    yield event(at, "httpReq", "Request", client, **{"recvTokenSize=": 100 + tokens})
    yield event(at + 1, "Enqueue", "Schedule", own, status="waiting", **{"QueueSize=": 1})
    yield event(at + 4, "Dequeue", "Schedule", own, status="waiting", **{"QueueSize=": 0})
    yield event(at + 30, "sendResponse", "Request", own)
    yield event(at + 90, "httpRes", "Request", client, **{"replyTokenSize=": tokens})


def rounds(at, rids, batch_type=0):
    """Yield a scheduling round and its execution."""
    told = [{"rid": rid, "iter": 0, "num_scheduled_tokens=": 50} for rid in rids]
    yield span(at, at + 1, "BatchSchedule", "Schedule", told, batchType=batch_type)
    yield span(at + 1, at + 20, "Execute", "ModelExecute", told)


def lay_out_linked(folder: Path, *, old: bool, layout: str = "mstx") -> Path:
    """Write the service as a raw profile; return its folder."""

    def write(host, pid, ppid, marks, **meta):
        told = {"hostname": host, "ppid": str(ppid), **meta}
        write_raw(
            folder / host / "Trace_Service",
            host,
            pid,
            sorted(marks, key=lambda mark: mark.time_ns),
            layout=layout,
            hats=old,
            meta=told,
        )

    first = [
        link(0, "http-a", 1, old=old),
        link(5, "http-b", "2", old=old),
        link(9, "http-d", "m-d", old=old),
        *life(1, "http-a", 1, 11),
        *life(6, "http-b", 2, 12),
        event(10, "httpReq", "Request", "http-d", **{"recvTokenSize=": 114}),
        event(99, "httpRes", "Request", "http-d", **{"replyTokenSize=": 14}),
        *rounds(10, [1, 2]),
    ]
    write("node-a", 100, 1, first, dpRankId="0")
    write("node-a", 101, 100, [span(12, 28, "forward", "ModelExecute", [1, 2])])
    second = [link(0, "http-c", 1, old=old), *life(2, "http-c", 1, 13), *rounds(12, [1])]
    write("node-b", 200, 1, second, dpRankId="1")
    write("node-b", 201, 200, [span(14, 27, "forward", "ModelExecute", [1])])
    third = [
        event(11, "Enqueue", "Schedule", "m-d", status="waiting", **{"QueueSize=": 1}),
        event(15, "Dequeue", "Schedule", "m-d", status="waiting", **{"QueueSize=": 0}),
        event(40, "sendResponse", "Request", "m-d"),
        *rounds(16, ["m-d"]),
    ]
    write("node-a", 300, 1, third, dpRankId="2")
    write("node-a", 301, 300, [span(18, 33, "forward", "ModelExecute", ["m-d"])])
    return folder
