"""The recorded raw expert marks under tests/data, laid out as a raw profile for a test."""

import gzip
import json
from pathlib import Path

from tests.sources.recorded import DATA
from tests.tools.expert_format import RawMark, write_raw


def recorded_marks():
    """Yield host, pid and marks of each EP process of `pd_ep`, first 4 layers."""
    content = json.loads(gzip.decompress((DATA / "raw_pd_ep_cut.json.gz").read_bytes()))
    for process in content:
        host, _, pid = process["file"].removeprefix("ms_service_").removesuffix(".db").rpartition("-")
        marks = []
        for message, _flag, _mark, timestamp, *_others in process["rows"]:
            fields = json.loads(message)
            name, domain = fields.pop("name"), fields.pop("domain")
            fields.pop("type")
            marks.append(RawMark(timestamp, fields, name, domain))
        yield host, int(pid), marks


def lay_out_raw(folder: Path, **options) -> Path:
    """Write the recorded marks as the raw profile `folder`: one folder a host, as the profiler has it."""
    for host, pid, marks in recorded_marks():
        write_raw(folder / host / "eplb" / "Trace_Service", host, pid, marks, **options)
    return folder
