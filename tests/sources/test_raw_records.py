"""Records of a raw profile in bulk, against plain loops over the rows of its databases with json alone."""

import json
import random
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from lbtui.profile import Cancelled, Silent, SourceFile
from lbtui.sources.experts.discover import find_expert_files
from lbtui.sources.raw import records
from lbtui.sources.raw.processes import read_processes
from lbtui.sources.raw.reader import Wanted
from lbtui.sources.raw.records import read_record, read_records
from tests.sources.recorded import sentences, state_of
from tests.tools.expert_format import RawMark, write_raw

START = 1_767_225_600_000_000_000
WANTED = Wanted(frozenset({"forward", "Execute"}), frozenset(), ("rid", "dp_rank", "batchType"))
BY_DOMAIN = Wanted(frozenset(), frozenset({"KVCache"}), ("deviceBlock=", "rid"))
LAYOUTS = [
    {"layout": "slice"},
    {"layout": "mstx"},
    {"layout": "mstx", "braces": False},
    {"layout": "mstx", "hats": True},
    {"layout": "mstx", "hats": True, "braces": False},
]
TABLES = {"slice": "slice", "mstx": "Mstx"}
VALUES = [
    "7",
    7,
    -1,
    0.25,
    1e-9,
    True,
    None,
    "",
    "a b",
    "é, 语 and 🙂",
    "back\\slash",
    "one\nline more",
    [],
    ["a", "b"],
    [1, 2],
    [[1, [2]], {"x": None}],
    [{"rid": "r1", "iter": 0}, {"rid": "r2", "num_scheduled_tokens=": 12}],
    {"a": {"b": [1]}},
]


def found(*paths):
    files = [SourceFile(path, "raw_profile", "raw", path.stat().st_size) for path in paths]
    return read_processes(files, Silent())


def read(wanted, *paths):
    processes, notes = found(*paths)
    assert notes == ()
    return processes, read_records(processes, wanted, Silent())


def marks(count=300, seed=1, values=VALUES):
    """Records of all kinds: wanted ones, others whose texts name these, with and without each field."""
    draw = random.Random(seed)
    for number in range(count):
        name = draw.choice(["forward", "Execute", "forwarder", "Allocate", "sample"])
        domain = "KVCache" if name == "Allocate" else draw.choice(["ModelExecute", "Schedule"])
        keys = ["rid", "dp_rank", "batchType", "deviceBlock=", "KVCache", "forward"]
        fields = {key: draw.choice(values) for key in keys if draw.random() < 0.7}
        if draw.random() < 0.2:
            fields["other"] = draw.choice(["forward", "Execute", "KVCache"])
        begin = START + number * 1_000_003
        yield RawMark(begin, fields, name, domain, begin + draw.choice([0, 1, 999, 5_000_001]))


def plain_rows(path, layout, wanted):
    """The wanted records by plain loops: rowid, start, end, name, domain, and the wanted fields."""
    columns = "message, NULL, NULL, timestamp, endTimestamp"
    if layout == "slice":
        columns = "args, name, cat, timestamp, end_time"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        rows = connection.execute(f"SELECT rowid, {columns} FROM {layout} ORDER BY rowid").fetchall()
    for row, text, name, domain, *times in rows:
        message = plain_message(text)
        if message is None or type(times[0]) is not int:
            continue
        name = message.get("name") if name is None else name.decode()
        domain = message.get("domain") if domain is None else domain.decode()
        if name in wanted.names or domain in wanted.domains:
            start, end = (datetime(1970, 1, 1) + timedelta(microseconds=time // 1000) for time in times)
            yield (row, start, end, name, domain, *(message.get(field) for field in wanted.fields))


def plain_message(text):
    message = text.decode("utf-8", "replace")
    if message.startswith(("^", "{^")):
        message = message.replace("^", '"')
    if not message.lstrip().startswith("{"):
        message = "{" + message.rstrip(", ") + "}"
    try:
        read_as = json.loads(message)
    except ValueError:
        return None
    return read_as if isinstance(read_as, dict) else None


def told(cell, value):
    """Whether a cell holds what JSON says: a text as it is, all else as its JSON."""
    if value is None or isinstance(value, str):
        return cell == value
    return json.loads(cell) == value


def assert_same(frame, rows):
    assert frame.height == len(rows) > 0
    for ours, plain in zip(frame.drop("process").iter_rows(), rows, strict=True):
        assert ours[:5] == plain[:5]
        assert all(told(cell, value) for cell, value in zip(ours[5:], plain[5:], strict=True)), (ours, plain)


@pytest.mark.parametrize("wanted", [WANTED, BY_DOMAIN], ids=["names", "domain"])
@pytest.mark.parametrize("options", LAYOUTS, ids=str)
def test_records_of_every_layout_are_those_of_plain_loops(tmp_path, options, wanted):
    path = write_raw(tmp_path, "node", 1, marks(), **options)
    _processes, read_as = read(wanted, path)
    assert_same(read_as.frame, list(plain_rows(path, TABLES[options["layout"]], wanted)))
    assert (read_as.unusable, read_as.notes) == (0, ())


@pytest.mark.parametrize("layout", ["mstx", "slice"])
def test_records_in_many_pieces_are_those_in_one(tmp_path, monkeypatch, layout):
    path = write_raw(tmp_path, "node", 1, marks(1000), layout=layout)
    whole = read(WANTED, path)[1]
    monkeypatch.setattr(records, "_MOST_ROWS", 7)
    parts = read(WANTED, path)[1]
    assert parts.frame.equals(whole.frame)
    assert whole.frame.height > 100


BROKEN = [
    "no JSON",
    "[1, 2]",
    '{"name":"forward","domain":"x","rid":"cut',
    '{"name":"forward","domain":"x"} {"name":"forward"}',
    '{"name":"forward","domain":"x","rid":}',
    '{"name":"forward",' + '"a":[' * 3000,
    "",
]


def assert_whole(path, layout, bad):
    """All that plain loops can read is read, at once and row by row, and the rest counted."""
    expected = list(plain_rows(path, layout, WANTED))
    processes, read_as = read(WANTED, path)
    assert_same(read_as.frame, expected)
    assert read_as.unusable == bad
    for row in expected[:: len(expected) // 5]:
        one = read_record(processes[0], row[0], WANTED, Silent())
        assert (one.start, one.end, one.name) == row[1:4]
        assert all(told(one.fields[f], value) for f, value in zip(WANTED.fields, row[5:], strict=True))


@pytest.mark.parametrize("options", LAYOUTS, ids=str)
def test_broken_rows_take_no_other_with_them(tmp_path, options):
    known = list(marks(60))
    for place, text in zip(range(5, 60, 8), BROKEN, strict=True):
        known.insert(place, RawMark(START + place, {}, "forward", "x", text=text))
    path = write_raw(tmp_path, "node", 1, known, **options)
    if options["layout"] == "slice":
        # A column names them; one has no attributes, as spans may.
        assert_whole(path, "slice", len(BROKEN) - 1)
    else:
        # Of a message that names nothing wanted nobody can say that it is meant.
        assert_whole(path, "Mstx", 0 if options.get("hats") else sum('"forward"' in text for text in BROKEN))


def test_text_over_several_lines_and_with_other_spaces_is_read(tmp_path):
    known = list(marks(40))
    lines = json.dumps({"name": "forward", "domain": "M", "rid": ["a", "b"], "dp_rank": 3}, indent=2)
    spaced = '  { "name" : "forward" , "domain" : "M" , "rid" : [ "c" ] }  '
    for text in (lines, spaced, lines.replace("\n", "\r\n")):
        known.append(RawMark(START + 10**12, {}, "forward", "M", text=text))
    path = write_raw(tmp_path, "node", 1, known)
    assert_whole(path, "Mstx", 0)


@pytest.mark.parametrize("layout", ["mstx", "slice"])
def test_bytes_that_are_no_utf_8_are_replaced_and_no_row_is_lost(tmp_path, layout):
    known = list(marks(40))
    text = b'{"name":"forward","domain":"M","rid":"caf\xe9 \xff","dp_rank":"1"}'
    known.insert(3, RawMark(START + 1, {}, "forward", "M", text=text))
    path = write_raw(tmp_path, "node", 1, known, layout=layout)
    assert_whole(path, TABLES[layout], 0)
    rids = read(WANTED, path)[1].frame["rid"].to_list()
    assert "caf� �" in rids


@pytest.mark.parametrize("layout", ["mstx", "slice"])
@pytest.mark.parametrize("time", [None, "soon", 0, -5, 2**62])
def test_rows_without_a_usable_time_are_left_out_and_counted(tmp_path, layout, time):
    known = list(marks(40))
    expected = read(WANTED, write_raw(tmp_path / "a", "node", 1, known, layout=layout))[1]
    known.append(RawMark(START, {"rid": "lost"}, "forward", "M"))
    path = write_raw(tmp_path / "b", "node", 1, known, layout=layout)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE {TABLES[layout]} SET timestamp = ? WHERE rowid = 41", [time])
        connection.commit()
    read_as = read(WANTED, path)[1]
    assert read_as.frame.equals(expected.frame)
    assert read_as.unusable == 1


@pytest.mark.parametrize("layout", ["mstx", "slice"])
def test_a_record_that_does_not_say_its_end_has_one_time(tmp_path, layout):
    path = write_raw(tmp_path, "node", 1, [RawMark(START, {"rid": "a"}, "forward", "M")], layout=layout)
    end = "endTimestamp" if layout == "mstx" else "end_time"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE {TABLES[layout]} SET {end} = NULL")
        connection.commit()
    (row,) = read(WANTED, path)[1].frame.iter_rows(named=True)
    assert row["start"] == row["end"] == datetime(2026, 1, 1)


def test_files_that_are_none_are_told_and_the_others_read(tmp_path):
    good = write_raw(tmp_path, "node", 1, marks(50))
    empty, text, cut, other, bare = (tmp_path / f"ms_service_node-{n}.db" for n in range(2, 7))
    empty.write_bytes(b"")
    text.write_bytes(b"no database at all\n" * 500)
    cut.write_bytes(good.read_bytes()[: good.stat().st_size // 2 + 100])
    for path, table in ((other, "notes (message TEXT)"), (bare, "slice (id INTEGER, name TEXT)")):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"CREATE TABLE {table}")
            connection.commit()
    paths = (good, empty, text, cut, other, bare)
    before = state_of(tmp_path)
    processes, notes = found(*paths)
    alone = read(WANTED, good)[1]
    read_as = read_records(processes, WANTED, Silent())
    assert read_as.frame.filter(process=0).equals(alone.frame)
    said = sentences((*notes, *read_as.notes))
    for path in (text, cut):
        assert f"{path.name} cannot be read as an SQLite database" in said
    assert good.name not in said
    assert state_of(tmp_path) == before


def test_processes_are_told_by_what_they_say_of_themselves_else_by_their_files_name(tmp_path):
    told = [
        ({"hostname": "a", "dpRankId": "3"}, ("a", 3)),
        ({"hostname": "", "dpRankId": "-1"}, ("node", None)),
        ({"dpRankId": " 12 "}, ("node", 12)),
        ({"dpRankId": "x"}, ("node", None)),
        ({"dpRankId": "99999999999"}, ("node", None)),
        ({}, ("node", None)),
    ]
    paths = [write_raw(tmp_path, "node", n, marks(3), meta=meta) for n, (meta, _as) in enumerate(told)]
    processes, _notes = found(*paths)
    assert [(p.host, p.dp_rank) for p in processes] == [known for _meta, known in told]
    assert [(p.pid, p.prof_id, p.records) for p in processes] == [
        (n, f"ms_service_node-{n}", 3) for n in range(len(told))
    ]


def test_a_process_that_says_no_rank_has_that_of_the_one_that_started_it(tmp_path):
    # Two workers of one engine, as vLLM's; one of another host with a parent of the same pid; one of none.
    told = [
        ({"hostname": "a", "ppid": "1", "dpRankId": "3"}, 3),
        ({"hostname": "a", "ppid": "10"}, 3),
        ({"hostname": "a", "ppid": "10", "dpRankId": "4"}, 4),
        ({"hostname": "b", "ppid": "10"}, None),
        ({"hostname": "a", "ppid": "11"}, None),
        ({"hostname": "a", "ppid": "x"}, None),
    ]
    paths = [write_raw(tmp_path, "a", 10 + n, marks(3), meta=meta) for n, (meta, _rank) in enumerate(told)]
    processes, _notes = found(*paths)
    assert [process.dp_rank for process in processes] == [rank for _meta, rank in told]


def test_a_domain_that_is_a_blob_is_a_text_to_either_way_of_reading(tmp_path):
    path = write_raw(tmp_path, "node", 1, marks(50), layout="slice")
    expected = read(WANTED, path)[1]
    assert expected.frame.height
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE slice SET cat = CAST(cat AS BLOB)")
        connection.commit()
        blobs = read(WANTED, path)[1]
        # What is no JSON makes each be read by itself.
        connection.execute("INSERT INTO slice (timestamp, name, cat, args) VALUES (1, 'forward', 'x', '[')")
        connection.commit()
    one_by_one = read(WANTED, path)[1]
    assert one_by_one.unusable == expected.unusable + 1
    places = expected.frame.select("row", "name", "domain")
    assert places.equals(blobs.frame.select(places.columns))
    assert places.equals(one_by_one.frame.select(places.columns))


@pytest.mark.parametrize("layout", TABLES)
def test_a_table_whose_rows_have_no_numbers_is_none_of_the_profiler(tmp_path, layout):
    path = write_raw(tmp_path, "node", 1, marks(5), layout=layout)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"ALTER TABLE {TABLES[layout]} ADD COLUMN rowid TEXT")
        connection.commit()
    processes, read_as = read(WANTED, path)
    assert processes == ()
    assert read_as.frame.is_empty()


def test_of_two_tables_the_one_that_holds_records_counts(tmp_path):
    path = write_raw(tmp_path, "node", 1, marks(50), layout="slice")
    expected = read(WANTED, path)[1].frame
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE Mstx (message TEXT, timestamp INTEGER, endTimestamp INTEGER)")
        connection.commit()
    processes, read_as = read(WANTED, path)
    assert processes[0].layout == "slice"
    assert read_as.frame.equals(expected)


def test_reading_can_be_cancelled(tmp_path):
    class Stopping(Silent):
        def advance(self, what, done, total):
            raise Cancelled

    processes, _notes = found(write_raw(tmp_path, "node", 1, marks(50)))
    with pytest.raises(Cancelled):
        read_records(processes, WANTED, Stopping())


def test_recordings_of_several_runs_below_one_folder_are_told(tmp_path):
    for folder in ("first", "second"):
        write_raw(tmp_path / folder, "node", 7, [RawMark(10**18, {"rid": "1"}, "httpReq", "Request")])
    write_raw(tmp_path / "second", "node", 8, [RawMark(10**18, {"rid": "1"}, "httpReq", "Request")])
    files = find_expert_files(tmp_path).raw
    processes, notes = read_processes(files, Silent())
    assert len(processes) == 3
    assert [note.file for note in notes] == ["ms_service_node-7.db"]
    assert "1 processes have a file of the same name in several folders" in notes[0].text


@pytest.mark.parametrize("held", [1, 400, 1 << 20])
def test_records_are_reduced_piece_by_piece_in_their_order(tmp_path, monkeypatch, held):
    for pid in (3, 4, 5):
        marks = [RawMark(10**18 + n * 1000, {"rid": str(n)}, "httpReq", "Request") for n in range(40)]
        write_raw(tmp_path, "node", pid, marks)
    processes, _notes = read_processes(find_expert_files(tmp_path).raw, Silent())
    wanted = Wanted(frozenset({"httpReq"}), frozenset(), ("rid",))
    monkeypatch.setattr(records, "_HELD_BYTES", held)
    monkeypatch.setattr(records, "_CHUNK_BYTES", 500)
    sizes = []

    def reduced(part):
        sizes.append(part.height)
        return part.select("process", "row", "rid")

    read = read_records(processes, wanted, Silent(), reduced)
    assert read.frame.rows() == [(place, n + 1, str(n)) for place in range(3) for n in range(40)]
    assert sum(sizes) == 120
    assert (max(sizes) < 40) is (held < 1000)
