"""A raw profile read again: what came to its files is read, and all is told as by reading it whole."""

import random

import polars as pl
import pytest

from lbtui.profile import Silent, SourceFile
from lbtui.sources.raw import meanings
from lbtui.sources.raw.meanings import Kept, RawProfile
from lbtui.sources.raw.processes import read_processes
from lbtui.sources.raw.reader import Reader, Wanted
from lbtui.sources.raw.records import read_records
from tests.sources.engines import raw_of
from tests.tools.expert_format import RawMark, write_raw
from tests.tools.replay import Replay

START = 1_767_225_600_000_000_000
WANTED = [
    Wanted(frozenset({"forward"}), frozenset(), ("rid",)),
    Wanted(
        frozenset({"Execute"}),
        frozenset(),
        ("rid",),
        instead=frozenset({"BatchSchedule"}),
        unless=frozenset({"Execute"}),
    ),
    Wanted(frozenset(), frozenset({"KVCache"}), ("rid",)),
]
PIDS = range(1, 5)


def marks(seed, count):
    """Records of a process; some group rounds before they execute any, some never do."""
    draw = random.Random(seed)
    names = ["forward", "BatchSchedule", "sample", *["Execute"] * (seed % 3 == 0)]
    late = draw.randrange(20, 60)
    for number in range(count):
        name = "Execute" if seed % 3 == 1 and number == late else draw.choice(names)
        domain = draw.choice(["KVCache", "ModelExecute"])
        text = "{broken" if draw.random() < 0.05 else None
        yield RawMark(START + number * 1_000_003, {"rid": f"r{number}"}, name, domain, text=text)


def written(folder, pid, seed, count):
    for path in folder.glob(f"ms_service_node-{pid}.db"):
        path.unlink()
    return write_raw(folder, "node", pid, marks(seed, count), layout="slice" if seed % 2 else "mstx")


def changed(folder, draw, state):
    """Change some of the files: `state` has the seed and the length of each."""
    for pid in draw.sample(PIDS, 2):
        seed, count = state.get(pid, (draw.randrange(99), 0))
        match draw.choice(["grow", "grow", "grow", "other", "cut", "remove", "break"]):
            case "grow":
                state[pid] = seed, count + draw.randrange(1, 30)
            case "other":
                state[pid] = seed + 1, count + draw.randrange(30)
            case "cut":
                state[pid] = seed, count // 2
            case "remove":
                state.pop(pid, None)
                (folder / f"ms_service_node-{pid}.db").unlink(missing_ok=True)
                continue
            case "break":
                path = folder / f"ms_service_node-{pid}.db"
                if path.exists():
                    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
                state.pop(pid, None)
                continue
        written(folder, pid, *state[pid])


def files_of(folder):
    paths = sorted(folder.rglob("ms_service_*.db"))
    return [SourceFile(path, "raw_profile", "raw", path.stat().st_size) for path in paths]


@pytest.mark.parametrize("seed", range(12))
def test_records_read_on_are_those_of_reading_all(tmp_path, seed):
    draw, state = random.Random(seed), {}
    processes, before = (), [None] * len(WANTED)
    for _time in range(12):
        changed(tmp_path, draw, state)
        files = files_of(tmp_path)
        processes = read_processes(files, Silent(), processes)[0]
        anew = read_processes(files, Silent())[0]
        for place, wanted in enumerate(WANTED):
            # Not every kind is read each time.
            if draw.random() < 0.3:
                continue
            now = before[place] = read_records(processes, wanted, Silent(), before=before[place])
            whole = read_records(anew, wanted, Silent())
            assert now.frame.equals(whole.frame)
            assert (now.told, now.unusable) == (whole.told, whole.unusable)


@pytest.fixture
def rows_read(monkeypatch):
    """The rows that were looked at since this was last emptied."""
    rows = []
    piece = Reader.piece

    def counted(self, between):
        rows.extend(range(between[0], between[1] + 1))
        return piece(self, between)

    monkeypatch.setattr(Reader, "piece", counted)
    return rows


def test_only_what_came_is_read(tmp_path, rows_read):
    written(tmp_path, 1, 3, 50)
    written(tmp_path, 2, 6, 40)
    first = read_processes(files_of(tmp_path), Silent())[0]
    before = read_records(first, WANTED[0], Silent())
    assert len(rows_read) == 90
    written(tmp_path, 2, 6, 47)
    written(tmp_path, 3, 9, 5)
    rows_read.clear()
    processes = read_processes(files_of(tmp_path), Silent(), first)[0]
    read_records(processes, WANTED[0], Silent(), before=before)
    assert sorted(rows_read) == sorted([*range(41, 48), *range(1, 6)])


def test_a_reader_of_fewer_rows_than_are_known_reads_them_all(tmp_path):
    written(tmp_path, 1, 3, 50)
    first = read_processes(files_of(tmp_path), Silent())[0]
    written(tmp_path, 1, 3, 60)
    second = read_processes(files_of(tmp_path), Silent(), first)[0]
    longer = read_records(second, WANTED[0], Silent())
    assert read_records(first, WANTED[0], Silent(), before=longer).frame.equals(
        read_records(first, WANTED[0], Silent()).frame
    )


@pytest.mark.parametrize("engine", ["mindie_pd_even", "vllm_v1_dp2", "vllm_pd_even", "sglang_dp2"])
def test_every_frame_of_a_profile_read_on_is_that_of_reading_all(tmp_path, engine):
    recorded = raw_of(engine, tmp_path / "recorded")
    replay, kept = Replay(recorded, tmp_path / "growing"), Kept()
    try:
        for share in (0.3, 0.31, 0.6, 1.0):
            replay.to(share)
            files = files_of(tmp_path / "growing")
            growing, whole = RawProfile(files, kept), RawProfile(files)
            for name in meanings._FRAMES:
                ours, plain = growing.frame(name, Silent()), whole.frame(name, Silent())
                assert ours.equals(plain), name
            columns = pl.exclude("process")
            assert (
                growing.read("kv", Silent())
                .select(columns)
                .equals(whole.read("kv", Silent()).select(columns))
            )
            assert growing.notes() == whole.notes()
    finally:
        replay.close()
