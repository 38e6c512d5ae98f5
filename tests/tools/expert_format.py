"""Writes expert heat as the services do: raw profiles, MindIE's dump, placement files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_META = "CREATE TABLE Meta (name TEXT, value TEXT, slice TEXT)"
_MSTX = """CREATE TABLE Mstx (message TEXT, flag INTEGER, markId INTEGER, timestamp INTEGER,
    endTimestamp INTEGER, pid INTEGER, tid INTEGER)"""
_SLICE = """CREATE TABLE slice (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER, duration INTEGER,
    name TEXT, depth INTEGER, track_id INTEGER, cat TEXT, args TEXT, cname TEXT, end_time INTEGER,
    flag_id TEXT, pid INTEGER, tid INTEGER)"""


class RawMark(NamedTuple):
    """One event of a process, or a span; `fields` are its attributes, those of experts an integer `rank` and
    a table. `text` stands in the database instead of their JSON.
    """

    time_ns: int | None
    fields: Mapping[str, Any]
    name: str = "expert"
    domain: str = "eplb_observe"
    end_ns: int | None = None
    text: str | bytes | None = None

    @property
    def end(self) -> int | None:
        return self.time_ns if self.end_ns is None else self.end_ns


def write_raw(
    folder: Path,
    host: str,
    pid: int,
    marks: Iterable[RawMark],
    *,
    layout: str = "mstx",
    hats: bool = False,
    braces: bool = True,
    meta: Mapping[str, str] | None = None,
) -> Path:
    """Write one process's `ms_service_<host>-<pid>.db`.

    With `hats` its messages have `^` for `"`, without `braces` a comma behind instead of these around.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"ms_service_{host}-{pid}.db"
    connection = sqlite3.connect(path)
    try:
        connection.execute(_META)
        known = {"hostname": host, "ppid": "1"} if meta is None else meta
        connection.executemany("INSERT INTO Meta VALUES (?,?,'')", list(known.items()))
        if layout == "mstx":
            connection.execute(_MSTX)
            for number, mark in enumerate(marks):
                event = {"name": mark.name, "type": 0, "domain": mark.domain, **mark.fields}
                message = json.dumps(event, separators=(",", ":"))
                message = message.replace('"', "^") if hats else message
                message = message if braces else f"{message[1:-1]},"
                told = message if mark.text is None else mark.text
                row = (told, 1, number, mark.time_ns, mark.end, pid, pid)
                connection.execute("INSERT INTO Mstx VALUES (CAST(? AS TEXT),?,?,?,?,?,?)", row)
        else:
            connection.execute(_SLICE)
            for mark in marks:
                args = json.dumps({**mark.fields, "type": 0}) if mark.text is None else mark.text
                long = (mark.end or 0) - (mark.time_ns or 0)
                row = (mark.time_ns, long, mark.name, pid, mark.domain, args, mark.end, pid, pid)
                connection.execute(
                    "INSERT INTO slice (timestamp,duration,name,depth,track_id,cat,args,cname,end_time,"
                    "flag_id,pid,tid) VALUES (?,?,?,0,?,?,CAST(? AS TEXT),'',?,'',?,?)",
                    row,
                )
        connection.commit()
    finally:
        connection.close()
    return path


def write_dump(
    folder: Path,
    phase: str,
    ranks: Mapping[int, Sequence[Sequence[Sequence[int]]]],
    config: Mapping[str, Any] | None,
    *,
    mirror: bool = True,
) -> Path:
    """Write one phase's folder of MindIE's dump.

    `ranks[rank]` are that rank's blocks [block][layer][local expert], cumulative, one every 8 forward
    passes; no config file is written for None.
    """
    place = folder / phase
    place.mkdir(parents=True, exist_ok=True)
    if config is not None:
        (place / "model_gen_config.json").write_text(json.dumps(config, indent=4))
    for rank, blocks in ranks.items():
        text = "".join(",".join(map(str, row)) + "\r\n" for block in blocks for row in block)
        (place / f"{phase}_{rank}.csv").write_bytes(text.encode())
        if mirror:
            (place / f"{phase}_{rank}_bak.csv").write_bytes(text.encode())
    return place


def dump_config(layers: int, experts: int, **others: Any) -> dict[str, Any]:
    """Return model_gen_config.json as MindIE writes it."""
    return {
        "num_moe_layers": layers,
        "collection_Interval": 8,
        "num_of_experts": experts,
        "num_of_selected_experts": [8],
        "num_dangling_shared_experts": 0,
        **others,
    }


def placement_of(layers: Sequence[Sequence[Sequence[int]]]) -> dict[str, Any]:
    """Return [layer][device][slot] -> expert as the placement JSON the engines read."""
    return {
        "moe_layer_count": len(layers),
        "layer_list": [
            {
                "layer_id": layer,
                "device_count": len(devices),
                "device_list": [
                    {"device_id": device, "device_expert": list(experts)}
                    for device, experts in enumerate(devices)
                ],
            }
            for layer, devices in enumerate(layers)
        ],
    }
