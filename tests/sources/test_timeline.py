"""Slices read from every kind of file, against plain SQL and plain loops over the same files."""

import json
import random
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from lbtui.analysis import timeline
from lbtui.profile import Cancelled, Progress, Silent, Unreadable
from lbtui.profile.slices import FORWARD
from lbtui.sources import open_profile
from lbtui.sources.raw import records
from lbtui.sources.raw.meanings import Kept
from lbtui.sources.timeline import database
from tests.sources.engines import output_of, raw_of
from tests.sources.recorded import CSV_ONLY, content, lay_out, rows, state_of
from tests.tools.replay import Replay


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("timeline"), "timeline/profiler.db")


@pytest.fixture(scope="module")
def read(folder):
    reader = open_profile(folder).slices()
    return reader, reader.placed(reader.read(Silent()), Silent())


def sql(folder, query, *parameters):
    with closing(sqlite3.connect(f"file:{folder}/profiler.db?mode=ro&immutable=1", uri=True)) as connection:
        return connection.execute(query, parameters).fetchall()


def names_of(slices):
    return [slices.names[number] for number in slices.name]


def test_counts_and_sums_by_name_are_those_of_sqlite(folder, read):
    slices = read[1]
    found = {}
    for name, duration in zip(names_of(slices), slices.duration.tolist(), strict=True):
        count, total = found.get(name, (0, 0))
        found[name] = count + 1, total + duration
    told = sql(folder, "SELECT name, count(*), sum(duration) FROM slice GROUP BY name")
    assert found == {name: (count, total) for name, count, total in told}
    assert slices.count == slices.total == sum(count for _name, count, _total in told) == 3457
    # And so are the statistics of all of the time on all tracks.
    begin, end = timeline.extent(slices)
    figures = timeline.statistics(slices, range(len(slices.tracks)), (begin, end + 1))
    assert {each.name: (each.count, each.total) for each in figures if each.name != "bubble"} == found


def test_slices_stand_by_track_and_start_with_their_rowids(folder, read):
    slices = read[1]
    of_row = {
        row: (start, duration, name, f"{pid} {tid}")
        for row, start, duration, name, pid, tid in sql(
            folder,
            "SELECT id, timestamp, duration, name, pid, tid FROM slice JOIN thread USING (track_id)",
        )
    }
    assert len(of_row) == slices.count
    for index in range(slices.count):
        told = of_row[int(slices.row[index])]
        track = slices.tracks[slices.track_of(index)]
        assert told == (
            int(slices.start[index]),
            int(slices.duration[index]),
            slices.names[slices.name[index]],
            track.key,
        )
    for place in range(len(slices.tracks)):
        begin, end = timeline.bounds(slices, place)
        assert (np.diff(slices.start[begin:end]) >= 0).all()


def test_the_flow_of_ten_requests_is_that_of_sqlite(folder, read):
    reader, slices = read
    ids = [rid for (rid,) in sql(folder, "SELECT flow_id FROM flow GROUP BY flow_id ORDER BY min(id)")]
    chosen = random.Random(1).sample(ids, 10)
    tracks = dict(sql(folder, "SELECT track_id, pid || ' ' || tid FROM thread"))
    for rid in chosen:
        told = sql(
            folder, "SELECT track_id, timestamp FROM flow WHERE flow_id = ? ORDER BY timestamp, track_id", rid
        )
        found = reader.flow(slices, rid, Silent())
        starts = [int(slices.start[index]) for index in found]
        assert starts == sorted(starts)
        mine = [(slices.tracks[slices.track_of(index)].key, int(slices.start[index])) for index in found]
        assert sorted(mine) == sorted((tracks[track], time) for track, time in told), rid
        assert len(found) > 10
        for index in found:
            assert rid in reader.fields(slices, index).requests


def test_without_its_table_the_flow_is_found_in_the_fields(folder, read, tmp_path):
    (tmp_path / "profiler.db").write_bytes((folder / "profiler.db").read_bytes())
    with closing(sqlite3.connect(tmp_path / "profiler.db")) as connection:
        connection.execute("DROP TABLE flow")
        connection.commit()
    reader, slices = read
    other = open_profile(tmp_path).slices()
    own = other.read(Silent())
    for rid in ("endpoint_common_0", "endpoint_common_7", "endpoint_common"):
        rows_of = [int(slices.row[index]) for index in reader.flow(slices, rid, Silent())]
        assert [int(own.row[index]) for index in other.flow(own, rid, Silent())] == rows_of
    assert not list(other.flow(own, "endpoint_common", Silent()))


def test_tracks_have_their_domains_and_kinds(read):
    slices = read[1]
    found = {}
    for one in slices.tracks:
        found.setdefault(one.kind, []).append(one)
    counts = {kind: len(them) for kind, them in found.items()}
    assert counts.pop("coordinator") == 1
    assert counts == {"front": 6, "handoff": 6, "schedule": 10, "round": 10, "card": 10, "pull": 8}
    assert {one.domain for one in found["card"]} == {one.domain for one in found["schedule"]}
    assert len({one.domain for one in found["card"]}) == 10
    assert {one.dp_rank for one in found["pull"]} == set(range(8))
    order = [slices.tracks[place] for place in timeline.in_order(slices)]
    assert order[0].kind == "coordinator"
    hosts = list(dict.fromkeys(one.host for one in order[1:]))
    # Those that prefill first.
    assert [host.split("-")[2] for host in hosts] == ["p0", "p0", "d0", "d0", "d0", "d0"]
    kinds = [one.kind for one in order if one.host == hosts[0]]
    assert kinds == ["front", "handoff", "schedule", "round", "card"]


def test_the_fields_of_a_slice_are_those_of_its_row(folder, read):
    reader, slices = read
    index = int(np.flatnonzero(slices.name == slices.names.index(FORWARD))[20])
    [(args,)] = sql(folder, "SELECT args FROM slice WHERE id = ?", int(slices.row[index]))
    told = json.loads(args)
    found = reader.fields(slices, index)
    assert list(found.requests) == told["res_list"]
    assert dict(found.fields)["dp_rank"] == told["dp_rank"]
    assert dict(found.fields)["batch_size"] == told["batch_size"]
    index = int(np.flatnonzero(slices.name == slices.names.index("Execute"))[20])
    [(args,)] = sql(folder, "SELECT args FROM slice WHERE id = ?", int(slices.row[index]))
    tokens = sum(each["num_scheduled_tokens="] for each in json.loads(args)["res_list"])
    assert dict(reader.fields(slices, index).fields)["tokens"] == str(tokens)
    # The number of a pass is the parser's forward_iter.
    told = sql(folder, "SELECT prof_id, forward_iter, start_time FROM forward")
    by_start = {(prof_id.rsplit("-", 1)[1], round(start * 1000)): number for prof_id, number, start in told}
    passes = [index for index, name in enumerate(names_of(slices)) if name == FORWARD]
    for index in passes:
        pid = slices.tracks[slices.track_of(index)].process
        start = round(int(slices.start[index]) / 1000)
        numbers = {by_start.get((pid, start + by)) for by in (-1, 0, 1)} - {None}
        assert timeline.forward_number(slices, index) in numbers


def test_a_sample_is_of_all_the_time_and_reading_writes_nothing(folder, read, monkeypatch):
    monkeypatch.setattr(database, "_PIECES", 40)
    monkeypatch.setattr(database, "_PIECE", 4)
    before = state_of(folder)
    slices = read[1]
    sample = open_profile(folder).slices().sample(Silent())
    assert sample.sampled
    # Some rows were taken out of the file: of how many it is a sample is told by its first and last.
    assert 100 <= sample.count < slices.total <= sample.total < slices.total + 50
    known = set(slices.row.tolist())
    assert set(sample.row.tolist()) <= known
    whole, part = timeline.extent(slices), timeline.extent(sample)
    assert part[1] - part[0] > 0.9 * (whole[1] - whole[0])
    assert {one.key for one in sample.tracks} <= {one.key for one in slices.tracks}
    assert state_of(folder) == before


def test_a_large_file_is_told_to_be(folder, monkeypatch):
    assert not open_profile(folder).slices().large
    monkeypatch.setattr(database, "LARGE", 1000)
    assert open_profile(folder).slices().large


def test_more_slices_than_are_held_are_told(folder, monkeypatch):
    monkeypatch.setattr(database, "MOST", 10)
    reader = open_profile(folder).slices()
    slices = reader.read(Silent())
    assert (slices.count, slices.total) == (10, 3457)
    assert slices.sampled
    assert "of 3,457 slices are held" in slices.notes[0].text


def test_reading_stops_when_it_is_cancelled(folder):
    class Stop(Progress):
        def advance(self, what, done, total):
            raise Cancelled

        def wants_more(self, what, done, total):
            raise Cancelled

    with pytest.raises(Cancelled):
        open_profile(folder).slices().read(Stop())


def test_a_file_that_changed_is_refused(folder, tmp_path):
    path = tmp_path / "profiler.db"
    path.write_bytes((folder / "profiler.db").read_bytes())
    reader = open_profile(tmp_path).slices()
    slices = reader.read(Silent())
    path.write_bytes(path.read_bytes() + b"\0" * 4096)
    with pytest.raises(Unreadable, match="changed"):
        reader.read(Silent())
    with pytest.raises(Unreadable, match="changed"):
        reader.fields(slices, 0)


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("UPDATE slice SET timestamp = 'x' WHERE id = 30", 1),
        ("UPDATE slice SET timestamp = -5, duration = 'y' WHERE id = 30", 1),
        ("UPDATE slice SET name = NULL WHERE id < 11", 10),
        ("UPDATE slice SET track_id = NULL WHERE id = 30", 1),
        ("UPDATE slice SET duration = NULL, args = x'ff00' WHERE id = 30", 0),
        ("UPDATE slice SET track_id = 999999 WHERE id = 30", 0),
        ("DELETE FROM thread", 0),
        ("DROP TABLE thread", 0),
        ("DROP TABLE process", 0),
        ("UPDATE thread SET tid = char(27) || '[31m' WHERE track_id = 60", 0),
    ],
)
def test_what_cannot_be_a_slice_is_left_out_and_told(folder, tmp_path, change, left):
    path = tmp_path / "profiler.db"
    path.write_bytes((folder / "profiler.db").read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(change)
        connection.commit()
    reader = open_profile(tmp_path).slices()
    slices = reader.placed(reader.read(Silent()), Silent())
    assert slices.count == 3457 - left
    assert bool(slices.notes) == bool(left)
    index = int(np.flatnonzero(slices.row == 31)[0])
    reader.fields(slices, index)
    reader.flow(slices, "endpoint_common_0", Silent())


def test_the_trace_has_the_slices_of_the_database_of_the_same_run(tmp_path):
    output_of("mindie_pd_even", "json", tmp_path)
    reader = open_profile(tmp_path).slices()
    slices = reader.placed(reader.read(Silent()), Silent())
    events = json.loads((tmp_path / "chrome_tracing.json").read_text())
    told = [each for each in events if each.get("ph") in ("X", "I", "i")]
    assert slices.count == len(told)
    by_name = {}
    for each in told:
        by_name[each["name"]] = by_name.get(each["name"], 0) + round(each.get("dur", 0) * 1000)
    found = {}
    for name, duration in zip(names_of(slices), slices.duration.tolist(), strict=True):
        found[name] = found.get(name, 0) + duration
    assert found == by_name
    one = next(each for each in told if each["name"] == FORWARD)
    [rid, *_others] = one["args"]["res_list"]
    flow = reader.flow(slices, rid, Silent())
    assert len(flow) == sum(rid in json.dumps(each["args"].get("res_list")) for each in told)
    index = next(i for i in flow if slices.names[slices.name[i]] == FORWARD)
    assert rid in reader.fields(slices, index).requests
    sample = reader.sample(Silent())
    assert 0 < sample.count <= slices.count


@pytest.mark.parametrize("run", ["mindie_pd_even", "vllm_v1_dp2", "sglang_dp2"])
def test_a_raw_profile_has_all_its_records(run, tmp_path):
    raw_of(run, tmp_path)
    profile = open_profile(tmp_path, raw=True)
    reader = profile.slices()
    slices = reader.placed(reader.read(Silent()), Silent())
    count = 0
    for path in tmp_path.rglob("ms_service_*.db"):
        with closing(sqlite3.connect(path)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            layout = "Mstx" if "Mstx" in tables else "slice"
            count += connection.execute(f"SELECT count(*) FROM {layout}").fetchone()[0]
    unusable = sum(int(note.text.split()[0]) for note in slices.notes if "no time" in note.text)
    assert slices.count == count - unusable > 100
    assert any(one.kind == "round" or one.kind == "card" for one in slices.tracks)
    assert any(one.domain for one in slices.tracks)
    index = next(i for i, name in enumerate(names_of(slices)) if reader.fields(slices, i).requests and i > 5)
    rid = reader.fields(slices, index).requests[0]
    sample = reader.sample(Silent())
    assert sample.count
    flow = reader.flow(slices, rid, Silent())
    # Where ids are linked the file's own may be another.
    assert not flow or int(slices.start[flow[0]]) <= int(slices.start[flow[-1]])


def test_of_a_raw_profile_that_grows_only_what_came_is_read(tmp_path, monkeypatch):
    recorded = raw_of("mindie_pd_even", tmp_path / "recorded")
    replay, kept = Replay(recorded, tmp_path / "growing"), Kept()
    counts, after, real = [], [], records._pieces
    monkeypatch.setattr(records, "_pieces", lambda *given: after.append(given[2].after) or real(*given))
    for share in (0.5, 1.0):
        replay.to(share)
        after.clear()
        reader = open_profile(tmp_path / "growing", raw=True, kept=kept).slices()
        slices = reader.read(Silent())
        counts.append(slices.count)
    assert any(after)
    alone = open_profile(tmp_path / "growing", raw=True).slices()
    again = alone.read(Silent())
    assert counts[0] < counts[1] == again.count == replay.total
    assert (slices.start == again.start).all()
    assert [one.key for one in slices.tracks] == [one.key for one in again.tracks]
    rid = "endpoint_common_3"
    assert list(reader.flow(slices, rid, Silent())) == list(alone.flow(again, rid, Silent())) != []
    replay.close()


def test_csv_alone_has_rounds_passes_and_requests_and_says_what_lacks(tmp_path):
    reader = open_profile(lay_out(tmp_path, *CSV_ONLY)).slices()
    slices = reader.placed(reader.read(Silent()), Silent())
    assert "no preprocess" in slices.lacks[0]
    batch, forward, requests = (rows(f"csv_only/{name}.csv") for name in ("batch", "forward", "request"))
    names = names_of(slices)
    for name in ("BatchSchedule", "Execute"):
        assert names.count(name) == sum(row["name"] == name for row in batch)
    assert names.count(FORWARD) == len(forward)
    assert names.count("httpReq") == len(requests)
    rid = requests[3]["http_rid"]
    flow = reader.flow(slices, rid, Silent())
    told = [row for row in batch if f"'rid': '{rid}'" in row["res_list"]]
    assert sum(names[index] in ("BatchSchedule", "Execute") for index in flow) == len(told)
    rounds = [index for index in flow if names[index] == "Execute"]
    assert all(rid in reader.fields(slices, index).requests for index in rounds)
    passes = [index for index in flow if names[index] == FORWARD]
    # One pass to each of its rounds.
    assert len(passes) == len(rounds)
    assert all(rid in reader.fields(slices, index).requests for index in passes)
    assert names[flow[0]] == "httpReq"


def test_csv_of_an_engine_and_worker_in_one_process(tmp_path):
    output_of("vllm_v1_dp2", "csv", tmp_path)
    reader = open_profile(tmp_path).slices()
    slices = reader.placed(reader.read(Silent()), Silent())
    names = names_of(slices)
    index = next(i for i, name in enumerate(names) if name == FORWARD and reader.fields(slices, i).requests)
    rid = reader.fields(slices, index).requests[0]
    flow = reader.flow(slices, rid, Silent())
    assert index in flow
    assert sum(names[i] == FORWARD for i in flow) == sum(names[i] == "modelExec" for i in flow) > 3


def test_a_longer_id_that_an_engine_made_is_the_requests(folder, tmp_path):
    path = tmp_path / "profiler.db"
    path.write_bytes((folder / "profiler.db").read_bytes())
    reader = open_profile(tmp_path).slices()
    slices = reader.read(Silent())
    count = len(reader.flow(slices, "endpoint_common_1", Silent()))
    with closing(sqlite3.connect(path)) as connection:
        for table, column in (("flow", "flow_id"), ("slice", "args")):
            old, new = ('"endpoint_common_1"', '"endpoint_common_1-0-ab"')
            if table == "flow":
                old, new = old.strip('"'), new.strip('"')
                connection.execute(f"UPDATE flow SET {column} = ? WHERE {column} = ? AND id % 2", (new, old))
            else:
                connection.execute(
                    f"UPDATE slice SET args = replace(args, '{old}', '{new}') WHERE name = 'Execute'"
                )
        connection.commit()
    reader = open_profile(tmp_path).slices()
    slices = reader.read(Silent())
    assert len(reader.flow(slices, "endpoint_common_1", Silent())) == count


def test_a_database_of_experts_alone_goes_with_the_tables(tmp_path):
    lay_out(tmp_path, *CSV_ONLY)
    with closing(sqlite3.connect(tmp_path / "profiler.db")) as connection:
        connection.execute(
            "CREATE TABLE slice (id INTEGER PRIMARY KEY, timestamp INTEGER, duration INTEGER, name TEXT, "
            "track_id INTEGER, args TEXT)"
        )
        connection.execute(
            "INSERT INTO slice VALUES (1, 1767225601000000000, 0, 'expert_hot', 4, '{\"rank\": 1}')"
        )
        connection.commit()
    reader = open_profile(tmp_path).slices()
    slices = reader.placed(reader.read(Silent()), Silent())
    assert slices.file == "profiler.db + the tables"
    index = names_of(slices).index("expert_hot")
    assert dict(reader.fields(slices, index).fields) == {"rank": "1"}
    index = names_of(slices).index("Execute")
    assert reader.fields(slices, index).requests
    assert list(reader.flow(slices, reader.fields(slices, index).requests[0], Silent()))


def test_an_output_without_slices_has_none(tmp_path):
    (tmp_path / "kvcache.csv").write_bytes(content("csv_only/kvcache.csv"))
    reader = open_profile(tmp_path).slices()
    assert reader.placed(reader.read(Silent()), Silent()).count == 0
