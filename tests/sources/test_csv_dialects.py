"""CSV as people have it: separators, encodings, decimal marks, packed; the same rows as the parser's."""

import csv
import gzip
import io
import re
from collections import Counter
from pathlib import Path

import pytest

from lbtui.profile import SCHEMAS, Silent
from lbtui.sources import open_profile
from lbtui.sources.steps import large_forward
from lbtui.sources.tables import csv_file, csv_lines
from tests.sources.made import Service, write
from tests.sources.recorded import CSV_ONLY, content, lay_out, sentences

FRACTION = re.compile(r"-?\d+\.\d+")


def rewritten(name: str, separator: str = ",", marks: str = ".", end: str = "\r\n", **options) -> str:
    """Return a recorded table as others write it; `marks`: the group mark, if any, and the point."""

    def cell(text: str) -> str:
        if not FRACTION.fullmatch(text):
            return text
        whole, fraction = text.split(".")
        return (f"{int(whole):,}".replace(",", marks[:-1]) if marks[:-1] else whole) + marks[-1] + fraction

    header, *rows = csv.reader(io.StringIO(content(name).decode()))
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator, lineterminator=end, **options)
    writer.writerow(header)
    writer.writerows([cell(text) for text in row] for row in rows)
    return written.getvalue()


def packed(data: bytes) -> bytes:
    return gzip.compress(data, 1)


DIALECTS = {
    "semicolon": lambda name: rewritten(name, ";").encode(),
    "tab": lambda name: rewritten(name, "\t").encode(),
    "all in quotes": lambda name: rewritten(name, quoting=csv.QUOTE_ALL).encode(),
    "decimal comma": lambda name: rewritten(name, ";", ",").encode("utf-8-sig"),
    "decimal comma in quotes": lambda name: rewritten(name, ",", ",").encode(),
    "German thousands": lambda name: rewritten(name, ";", ".,").encode(),
    "French thousands": lambda name: rewritten(name, ";", "\u202f,").encode(),
    "thousands": lambda name: rewritten(name, ",", ",.").encode(),
    "separator named": lambda name: b"sep=;\r\n" + rewritten(name, ";").encode(),
    "byte-order mark": lambda name: b"\xef\xbb\xbf" + content(name),
    "UTF-16 LE, tab": lambda name: b"\xff\xfe" + rewritten(name, "\t").encode("utf-16-le"),
    "UTF-16 BE": lambda name: b"\xfe\xff" + content(name).decode().encode("utf-16-be"),
    "UTF-16 without a mark": lambda name: content(name).decode().encode("utf-16-le"),
    "packed under its own name": lambda name: packed(content(name)),
    "two members, UTF-16": lambda name: (
        packed(b"\xff\xfe") + packed(rewritten(name, ";", ",").encode("utf-16-le"))
    ),
}


def written_in(folder: Path, dialect: str) -> Path:
    folder.mkdir()
    for name in CSV_ONLY:
        (folder / Path(name).name).write_bytes(DIALECTS[dialect](name))
    return folder


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_frames(tmp_path, dialect):
    found = open_profile(written_in(tmp_path / "found", dialect))
    plain = open_profile(lay_out(tmp_path / "plain", *CSV_ONLY))
    for name in SCHEMAS:
        assert found.load(name).frame.equals(plain.load(name).frame), name
    assert sentences(found.load("requests").notes) == ""
    # By an independent path: what the file of the parser holds.
    rows = list(csv.DictReader(io.StringIO(content("csv_only/request.csv").decode())))
    ttft = found.load("requests").frame["ttft"].to_list()
    assert ttft == [float(row["first_token_latency(ms)"]) or None for row in rows]


@pytest.mark.parametrize("dialect", ["decimal comma", "UTF-16 LE, tab", "two members, UTF-16", "semicolon"])
def test_the_requests_of_a_round_are_found_again_by_its_row(tmp_path, dialect):
    found = open_profile(written_in(tmp_path / "found", dialect))
    plain = open_profile(lay_out(tmp_path / "plain", *CSV_ONLY))
    rounds = plain.load("batches").frame
    for prof_id, row in rounds.select("prof_id", "row").gather_every(200).iter_rows():
        assert found.requests_of_round(prof_id, row) == plain.requests_of_round(prof_id, row) != []


@pytest.mark.parametrize("dialect", ["semicolon", "decimal comma", "UTF-16 BE", "two members, UTF-16"])
def test_a_large_forward_table_is_joined_while_it_is_read(tmp_path, monkeypatch, dialect):
    monkeypatch.setattr(csv_lines, "_READ", 20_000)  # many blocks
    folder = written_in(tmp_path / "found", dialect)
    whole = open_profile(folder).load("steps").frame
    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 1)
    found = open_profile(folder)
    joined = found.load_domain_steps()
    assert joined.provenance[0].rows == whole.height == 853
    assert "All its rows are held" not in sentences(joined.notes)
    assert sorted(joined.frame["start"]) == sorted(whole["start"]), "one card a domain"
    middle = int(whole["start"].sort().to_physical()[400])
    around = found.steps_around(middle, middle)
    assert 0 < around.height <= whole.height
    assert set(around["start"]) <= set(whole["start"])


def test_packed_files_stand_in_for_those_that_are_not_there(tmp_path):
    folder = lay_out(tmp_path / "found", *CSV_ONLY)
    (folder / "forward.csv").unlink()
    (folder / "forward.csv.gz").write_bytes(packed(content("csv_only/forward.csv")))
    found = open_profile(folder)
    plain = open_profile(lay_out(tmp_path / "plain", *CSV_ONLY))
    assert found.load("steps").frame.equals(plain.load("steps").frame)
    assert found.load("steps").provenance[0].file == "forward.csv.gz"
    assert found.load("steps").provenance[0].rows == 853


@pytest.mark.parametrize(("plain", "read"), [(b"", "request.csv.gz"), (b"x" * 5, "request.csv")])
def test_of_a_file_and_its_packed_copy_the_one_that_was_written_is_read(tmp_path, plain, read):
    (tmp_path / "request.csv").write_bytes(plain and content("csv_only/request.csv"))
    (tmp_path / "request.csv.gz").write_bytes(packed(content("csv_only/request.csv")))
    found = open_profile(tmp_path)
    assert found.load("requests").provenance[0].file == read
    assert f"{read} is read in its place." in sentences(found.notes)


def test_a_packed_file_that_breaks_off_gives_the_rows_before(tmp_path):
    whole = packed(content("csv_only/request.csv"))
    (tmp_path / "request.csv.gz").write_bytes(whole[: len(whole) // 2])
    loaded = open_profile(tmp_path).load("requests")
    assert 0 < loaded.frame.height < 133
    ids = [row["http_rid"] for row in csv.DictReader(io.StringIO(content("csv_only/request.csv").decode()))]
    assert loaded.frame["request_id"].to_list() == ids[: loaded.frame.height]
    assert "compression is damaged or breaks off (unexpected end of file)" in sentences(loaded.notes)


def test_a_packed_file_without_anything_in_it_is_told(tmp_path):
    (tmp_path / "request.csv.gz").write_bytes(b"\x1f\x8b\x08\x00garbage")
    notes = sentences(open_profile(tmp_path).load("requests").notes)
    assert "request.csv.gz is a damaged gzip file" in notes


def test_a_workbook_is_told(tmp_path):
    (tmp_path / "request.csv").write_bytes(b"PK\x03\x04" + bytes(200))
    notes = sentences(open_profile(tmp_path).load("requests").notes)
    assert "zip archive or a spreadsheet's workbook; unpack it, or save it as CSV" in notes


def test_a_cell_that_may_be_either_is_a_group_of_thousands_between_commas_and_a_fraction_between_semicolons(
    tmp_path,
):
    for number, (separator, expected) in enumerate(((",", 1234.0), (";", 1.234))):
        path = tmp_path / f"{number}.csv"
        path.write_text(f'Dataset{separator}Mean\n7{separator}"1,234"\n')
        frame, notes = csv_file.read_csv(path, "moe_analysis", ["process", "mean"], Silent())
        assert frame["mean"].to_list() == [expected]
        assert notes == []


def test_a_quote_that_is_not_closed_spoils_its_own_line_in_any_dialect(tmp_path):
    path = tmp_path / "moe_analysis.csv"
    path.write_bytes('Dataset;Mean\n7;1,5\n8;"2,5\n9;3,5\n'.encode("utf-16"))
    frame, notes = csv_file.read_csv(path, "moe_analysis", ["process", "mean"], Silent())
    assert frame["mean"].to_list() == [1.5, 3.5]
    assert "1 rows have a quote that is not closed" in sentences(notes)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_last_row_of_a_file_that_breaks_off_is_left_out(tmp_path, encoding):
    path = tmp_path / "moe_analysis.csv"
    path.write_bytes("Dataset;Mean\n7;1,5\n8;2".encode(encoding))
    frame, notes = csv_file.read_csv(path, "moe_analysis", ["process", "mean"], Silent())
    assert frame["mean"].to_list() == [1.5]
    assert "breaks off without an end of line" in sentences(notes)


# Names that are not UTF-8

NAMES = ["华为甲", "华为乙", "华为丙", "华为丁"]


def with_hosts(folder: Path, hosts: list[bytes], repeat: int = 1) -> Path:
    """Write a profile of one domain a host, and put these bytes where the names stood."""
    services = [
        Service(f"host{n}", 100 + n, (200 + n,), 0, 0, (1 + n, 2 + 2 * n, 3) * repeat, offset=n * 7.0)
        for n in range(len(hosts))
    ]
    write(folder, *services)
    for path in folder.glob("*.csv"):
        data = path.read_bytes()
        for n, host in enumerate(hosts):
            data = data.replace(b"host%d" % n, host)
        path.write_bytes(data)
    return folder


def test_hosts_in_gb18030_keep_their_names(tmp_path):
    folder = with_hosts(tmp_path, [name.encode("gb18030") for name in NAMES])
    steps = open_profile(folder).load("steps").frame
    assert Counter(steps["host"]) == dict.fromkeys(NAMES, 3)
    assert steps["domain"].n_unique() == 4


@pytest.mark.parametrize(
    ("hosts", "shown"),
    [
        ([b"node-\xff\xfe", b"node-\xfe\xff"], {r"node-\xff\xfe", r"node-\xfe\xff"}),
        ([b"\xa1", b"\xa2", b"plain"], {r"\xa1", r"\xa2", "plain"}),
        ([NAMES[0].encode(), NAMES[1].encode("gb18030")], {NAMES[0], NAMES[1]}),
    ],
)
def test_names_that_are_no_text_are_kept_apart_by_their_bytes(tmp_path, hosts, shown):
    steps = open_profile(with_hosts(tmp_path, hosts)).load("steps").frame
    assert set(steps["host"]) == shown


def test_a_name_far_down_in_the_file_is_seen_too(tmp_path):
    # The first MiB, by which the file is told, is UTF-8.
    folder = with_hosts(tmp_path, [b"a", b"b"], repeat=6000)
    path = folder / "forward.csv"
    data = path.read_bytes()
    assert len(data) > 3 << 20
    cut = data.rindex(b"\n", 0, len(data) - 10_000) + 1
    tail = data[cut:].replace(b"ms_service_b", b"ms_service_" + NAMES[1].encode("gb18030"))
    path.write_bytes(data[:cut] + tail.replace(b",b,", b"," + NAMES[1].encode("gb18030") + b","))
    steps = open_profile(folder).load("steps").frame
    assert set(steps["host"]) == {"a", "b", NAMES[1]}
    assert steps.height == data.count(b"\n") - 1


def test_request_ids_that_are_not_utf8_do_not_merge(tmp_path):
    header, first, second, *_rows = content("csv_only/request.csv").splitlines(keepends=True)
    first = first.replace(b"endpoint_common_0", b"\xbb\xaa\xce\xaa")
    second = second.replace(b"endpoint_common_1", b"\xff")
    (tmp_path / "request.csv").write_bytes(header + first + second)
    assert open_profile(tmp_path).load("requests").frame["request_id"].to_list() == ["华为", r"\xff"]


# Files that were put together

RUN = ["forward", "batch", "request", "kvcache", "request_status"]


def put_together(folder: Path, how) -> Path:
    folder.mkdir()
    for table in RUN:
        data = content(f"csv_only/{table}.csv")
        header, rows = data.split(b"\n", 1)
        (folder / f"{table}.csv").write_bytes(how(header + b"\n", rows))
    return folder


@pytest.mark.parametrize(
    "how",
    [
        lambda header, rows: header + rows + header + rows,
        lambda header, rows: header + rows + rows,
        lambda header, rows: header + rows + b"\xef\xbb\xbf" + header + rows,
    ],
    ids=["with its header", "without it", "with a byte-order mark"],
)
def test_a_run_put_together_with_itself_counts_once(tmp_path, how):
    found = open_profile(put_together(tmp_path / "twice", how))
    plain = open_profile(lay_out(tmp_path / "plain", *CSV_ONLY))
    for name in ("steps", "batches", "requests", "kv", "queues"):
        columns = [c for c in SCHEMAS[name] if c != "row"]
        assert found.load(name).frame.select(columns).equals(plain.load(name).frame.select(columns)), name
    told = sentences([*found.load("requests").notes, *found.load("kv").notes, *found.load("steps").notes])
    assert "request.csv: 133 rows repeat an earlier one" in told
    assert "kvcache.csv: 291 rows repeat an earlier one" in told
    assert "forward.csv: 853 rows repeat an earlier one" in told


def test_rows_that_stand_twice_count_once_but_for_kv_events(tmp_path):
    def doubled(header, rows):
        return header + b"".join(line * 2 for line in rows.splitlines(keepends=True))

    found = open_profile(put_together(tmp_path / "doubled", doubled))
    plain = open_profile(lay_out(tmp_path / "plain", *CSV_ONLY))
    for name in ("steps", "requests", "queues"):
        assert found.load(name).frame.equals(plain.load(name).frame), name
    # Two equal events of KV blocks may be two events: all stay, and say the same.
    assert found.load("kv").frame.height == 2 * plain.load("kv").frame.height


def test_another_run_behind_its_header_is_read_too(tmp_path):
    def later(header, rows):
        return header + rows + header + rows.replace(b"2026-01-01", b"2026-01-02").replace(b"17672", b"17673")

    found = open_profile(put_together(tmp_path / "both", later), capture="all")
    loaded = found.load("requests")
    assert loaded.frame.height == 266
    assert "request.csv: The header stands 1 × more among the rows (first as data row 134)" in sentences(
        loaded.notes
    )
    assert found.load("steps").frame.height == 2 * 853
    assert "left out" not in sentences(loaded.notes)


def test_a_large_forward_table_with_rows_twice_is_held_whole_and_counts_them_once(tmp_path, monkeypatch):
    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 1)

    def doubled(header, rows):
        return header + b"".join(line * 2 for line in rows.splitlines(keepends=True))

    found = open_profile(put_together(tmp_path / "doubled", doubled))
    loaded = found.load_domain_steps()
    assert loaded.frame.height == 853
    assert "some rows stand twice" in sentences(loaded.notes)


def test_layer_times_are_those_before_the_second_header(tmp_path):
    (tmp_path / "ep_balance.csv").write_text("11,12\n1,2\n3,4\n11,12\n5,6\n")
    loaded = open_profile(tmp_path).load("layer_times")
    assert loaded.frame.sort("layer", "process")["time"].to_list() == [1.0, 2.0, 3.0, 4.0]
    assert "Its header stands once more in data row 3" in sentences(loaded.notes)


def test_a_long_run_of_bytes_without_a_separator_does_not_hang(tmp_path):
    lines = content("csv_only/forward.csv").splitlines(keepends=True)
    (tmp_path / "forward.csv").write_bytes(
        b"".join(lines[:100]) + b"0" * 4_000_000 + b"\n\xff\n" + b"".join(lines[100:])
    )
    assert open_profile(tmp_path).load("steps").frame.height == len(lines) - 1


@pytest.mark.parametrize("read", [9, 40, 1000])
def test_wherever_a_block_of_lines_begins(monkeypatch, tmp_path, read):
    """A line may be short or long, be empty, or have a mark of the byte order as part of its first cell."""
    lines = ["\ufeff1,2,3", "4", "5,6,7,8", "", "é,,9"]
    cells = [["\ufeff1", "2", "3"], ["4", None, None], ["5", "6", "7"], [None] * 3, ["é", None, "9"]]
    (tmp_path / "a.csv").write_text("\n".join(["a,b,c", *lines * 30, ""]), encoding="utf-8")
    monkeypatch.setattr(csv_lines, "_READ", read)
    frame, notes = csv_file.read_text(tmp_path / "a.csv", Silent())
    assert [list(row) for row in frame.iter_rows()] == cells * 30
    assert not notes
