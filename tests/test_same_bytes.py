"""The same input gives the same bytes, whatever threads add up and in whatever order rows stand."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from lbtui.cli import main
from lbtui.sources.canonical.kv_order import by_value
from tests.sources.recorded import CSV_ONLY, DATA, content, lay_out

_NAMES = ("batch", "forward", "kvcache", "request", "request_status")
PROFILES = {
    "csv_only": CSV_ONLY,
    "json_only": ["chrome_mindie_small.json"],
    "vllm": [f"vllm_small/{p.name.removesuffix('.gz')}" for p in sorted((DATA / "vllm_small").iterdir())],
    "tp4": [f"mindie_tp4/{p.name.removesuffix('.gz')}" for p in sorted((DATA / "mindie_tp4").iterdir())],
    "pd_ep": [f"pd_ep/{n}.csv" for n in ("batch", "coordinator", "kvcache", "pd_split_kvcache", "request")],
}


def written(folder, option, seed, threads):
    environment = {**os.environ, "PYTHONHASHSEED": str(seed), "POLARS_MAX_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-m", "lbtui", str(folder), *option],
        capture_output=True,
        env=environment,
        timeout=1200,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("name", PROFILES)
def test_runs_of_other_hash_seeds_and_threads_write_the_same(tmp_path, name):
    folder = lay_out(tmp_path / "run", *PROFILES[name])
    baseline = lay_out(tmp_path / "before", *(f"even_small/{n}.csv" for n in _NAMES))
    for option in (["--json", "--baseline", str(baseline)], ["--report"]):
        first = written(folder, option, 1, 1)
        assert first.count(b"\n") > 20
        assert first == written(folder, option, 77, 4)


def _document(capsys, folder):
    main([str(folder), "--json"])
    found = json.loads(capsys.readouterr().out)
    for key in ("path", "sources"):  # sizes of files
        del found["profile"][key]
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", ["csv_only", "vllm", "tp4"])
def test_the_order_of_rows_changes_nothing(tmp_path, capsys, name, seed):
    # Of a kvcache.csv cut to whole seconds the rows' order is all that tells which event came first.
    folder = lay_out(tmp_path, *(n for n in PROFILES[name] if (name, Path(n).name) != ("tp4", "kvcache.csv")))
    expected = _document(capsys, folder)
    dealt = random.Random(seed)
    for path in folder.glob("*.csv"):
        head, *rows = path.read_text().splitlines(keepends=True)
        dealt.shuffle(rows)
        path.write_text("".join([head, *rows]))
    assert _document(capsys, folder) == expected


def test_kv_events_of_one_time_stand_as_the_raw_profile_has_them(tmp_path, capsys):
    """The raw profile's marks of 08:00:02.913375 and 04.375306 on dp3: Free 11, 16; Allocate 5, 1."""
    folder = lay_out(tmp_path, *CSV_ONLY)
    found = _document(capsys, folder)
    [exhausted] = [f for f in found["findings"] if f["id"] == "kv.exhausted"]
    # By hand: Allocate falls and Free rises, so the floor is reached earlier than the file's rows say.
    lines = content("csv_only/kvcache.csv").decode().splitlines()
    tied = [line for line in lines if "08:00:04:375306" in line and ",Allocate," in line]
    assert [float(line.split(",")[3]) for line in tied if float(line.split(",")[3]) < 17] == [1.0, 5.0]
    assert exhausted["value"] == pytest.approx(0.704, abs=0.001)


@pytest.mark.parametrize(
    ("before", "events", "expected"),
    [
        (16, [("Allocate", 1), ("Allocate", 5)], [5, 1]),
        (7, [("Free", 16), ("Free", 11)], [11, 16]),
        (10, [("Free", 12), ("Allocate", 8), ("Allocate", 9)], [9, 8, 12]),
        (2, [("Allocate", 1), ("Free", 6), ("Free", 4)], [1, 4, 6]),
        (0, [("Allocate", 3), ("Free", 9)], [9, 3]),
        (None, [("AppendSlot", 7), ("Allocate", 9)], [9, 7]),
    ],
)
def test_events_of_one_time_follow_as_their_values_allow(before, events, expected):
    rows = [] if before is None else [("Free", before, 0)]
    rows += [(name, value, 5) for name, value in events]
    for order in (rows, rows[::-1]):
        frame = pl.DataFrame(
            {
                "domain": ["dp0"] * len(order),
                "name": [name for name, _value, _time in order],
                "free_blocks": [value for _name, value, _time in order],
                "time": [time for _name, _value, time in order],
                "request_id": [f"r{value}" for _name, value, _time in order],
                "row": list(range(len(order))),
            }
        )
        assert by_value(frame, [])["free_blocks"].to_list()[-len(events) :] == expected


def test_events_whose_times_are_cut_keep_the_order_of_their_rows():
    frame = pl.DataFrame(
        {
            "domain": ["dp0"] * 3,
            "name": ["Allocate"] * 3,
            "free_blocks": [1, 3, 2],
            "time": [0] * 3,
            "request_id": list("abc"),
            "row": [0, 1, 2],
        }
    )
    assert by_value(frame, ["dp0"])["free_blocks"].to_list() == [1, 3, 2]
    assert by_value(frame, [])["free_blocks"].to_list() == [3, 2, 1]
