"""A file of which no more is wanted: its part is given and told, and never taken for the whole."""

import json
import threading
from functools import partial

import polars as pl
import pytest

from lbtui.analysis.data_parallel import domain_steps
from lbtui.findings.diagnosis import diagnose
from lbtui.overview.run import overview
from lbtui.profile import SCHEMAS, Cancelled, Silent
from lbtui.profile.once import Once
from lbtui.profile.progress import UpTo
from lbtui.sources import open_profile
from lbtui.sources.steps import large_forward, streamed
from lbtui.sources.tables import csv_lines
from lbtui.sources.trace import json_stream
from lbtui.sources.trace import read as trace
from lbtui.sources.trace.read import read_trace
from tests.bench.inputs import write_requests
from tests.sources.recorded import CSV_ONLY, lay_out
from tests.sources.traces import unpack, write

READ = 8_000  # bytes at once


class Enough(Silent):
    """Wants no more of `file` once it was asked so often."""

    def __init__(self, file, times):
        self.file, self.left = file, times
        self.last = None

    def advance(self, what, done, total):
        self.last = (what, done, total)

    def wants_more(self, what, done, total):
        self.advance(what, done, total)
        self.left -= what == self.file
        return what != self.file or self.left > 0


@pytest.fixture
def requests(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_lines, "_READ", READ)
    write_requests(tmp_path, 2000)
    return tmp_path


def within(path, blocks, read=READ):
    """Return the first blocks of a file, each of as many whole lines as can be."""
    whole, end = path.read_bytes(), 0
    for _block in range(blocks):
        end = whole.rindex(b"\n", 0, end + read) + 1
    return whole[:end]


def rows_within(path, blocks, read=READ):
    return within(path, blocks, read).count(b"\n") - 1


@pytest.mark.parametrize("quote", ["", '"'])
def test_the_first_requests(requests, quote):
    if quote:  # read line by line
        path = requests / "request.csv"
        lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines[:1500], f'{quote}a,,"b"c{quote}', *lines[1500:], ""]))
    opened, progress = open_profile(requests), Enough("request.csv", 5)
    loaded = opened.load("requests", progress)
    rows = rows_within(requests / "request.csv", 5)
    assert 100 < rows < 1500
    assert loaded.frame.height == rows
    assert loaded.frame.equals(open_profile(requests).load("requests").frame.head(rows))
    [note] = opened.cuts
    assert note in loaded.notes
    assert note.lost
    size = (requests / "request.csv").stat().st_size
    assert note.cut.total == size
    assert note.cut.done == len(within(requests / "request.csv", 5))
    assert "only the first" in note.text
    assert progress.last == ("request.csv", note.cut.done, note.cut.done)
    known = overview(opened)
    assert note in known.notes
    assert [s.status for s in known.sources] == ["partly"]
    [finding] = [f for f in diagnose(opened, known.window).findings if f.id == "data.file.cut"]
    assert "All findings are of a part of request.csv" in finding.message


def test_what_is_read_already_is_whole(requests):
    opened = open_profile(requests)
    assert opened.load("requests", Enough("request.csv", 200)).frame.height == 2000
    assert opened.cuts == []


def test_a_profile_opened_anew_reads_all(requests):
    opened = open_profile(requests)
    opened.load("requests", Enough("request.csv", 5))
    rows = rows_within(requests / "request.csv", 5)
    assert opened.load("requests").frame.height == rows, "what was read in part is not mixed with the rest"
    assert open_profile(requests).load("requests").frame.height == 2000


def test_other_files_are_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_lines, "_READ", READ)
    folder = lay_out(tmp_path, *CSV_ONLY)
    opened, whole = open_profile(folder), open_profile(folder)
    progress = Enough("kvcache.csv", 1)
    for name in SCHEMAS:
        found, expected = (p.load(name, progress if p is opened else None).frame for p in (opened, whole))
        assert found.equals(expected) == (name != "kv"), name
    assert [note.file for note in opened.cuts] == ["kvcache.csv"]


def test_no_row_of_a_part_is_no_word_on_the_collection(requests):
    opened = open_profile(requests)
    opened.load("requests", Enough("request.csv", 1))
    missing = opened.missing_of("requests")
    assert "what was read of request.csv tells none" in missing.reason
    assert "request.csv" not in opened.missing_of("kv").reason


@pytest.mark.parametrize("batch", [False, True])
def test_the_first_steps_of_a_large_forward_csv(tmp_path, monkeypatch, batch):
    files = ["mindie_tp4/forward.csv", *(["mindie_tp4/batch.csv"] if batch else [])]
    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 0)
    monkeypatch.setattr(streamed, "MOST_COMPARED", 50)
    monkeypatch.setattr(csv_lines, "_READ", 16_000)  # some hundred rows
    (tmp_path / "whole").mkdir()
    folder = lay_out(tmp_path / "whole", *files)
    opened = open_profile(folder)
    loaded = opened.load_domain_steps(Enough("forward.csv", 15))
    rows = loaded.provenance[0].rows
    lines = (folder / "forward.csv").read_text().splitlines(keepends=True)
    assert rows == rows_within(folder / "forward.csv", 15, 16_000) < len(lines) - 1
    (tmp_path / "part").mkdir()
    short = lay_out(tmp_path / "part", *files)
    (short / "forward.csv").write_text("".join(lines[: rows + 1]))
    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 1 << 40)
    expected = domain_steps(open_profile(short).load("steps").frame)
    texts = pl.col("domain", "instance", "phase").cast(pl.String)
    found = loaded.frame.select(expected.columns).with_columns(texts).sort("domain", "start")
    assert found.equals(expected.sort("domain", "start"))
    assert [note.file for note in opened.cuts] == ["forward.csv"]
    # The passes that a finding looks at are those of the steps.
    assert opened.read_passes().height == rows
    assert opened.read_passes(Enough("forward.csv", 3)).height == rows


@pytest.fixture
def small_windows(monkeypatch):
    monkeypatch.setattr(json_stream, "_REPORT_EVERY", 0)
    monkeypatch.setattr(trace, "ElementReader", partial(json_stream.ElementReader, chunk=4000))


@pytest.mark.parametrize("name", ["mindie_small", "vllm_small_cut", "pd_ep_cut"])
def test_a_trace_as_if_the_capture_had_ended_there(tmp_path, small_windows, name):
    path = unpack(name, tmp_path)
    size = path.stat().st_size
    events = json.loads(path.read_text())
    part = read_trace(path, Enough(path.name, size // 4000 // 4))
    [note] = part.notes
    assert note.cut.done / size == pytest.approx(0.25, abs=0.1)
    # The events before that byte, by Python's own reader, and who is who.
    before = json.loads(path.read_text()[: note.cut.done].rstrip().rstrip(",") + "]")
    names = [e for e in events if e["ph"] == "M" and e["name"] in ("process_name", "process_labels")]
    (tmp_path / "short").mkdir()
    short = read_trace(write([*before, *names], tmp_path / "short"), Silent())
    for frame in ("processes", "forwards", "queue_events", "kv_counters", "requests", "dispatches", "nodes"):
        assert getattr(part, frame).equals(getattr(short, frame)), frame
    assert part.spans.drop("offset").equals(short.spans.drop("offset"))
    assert part.processes.equals(read_trace(path, Silent()).processes)
    assert part.queue_events.height > 0


def test_a_trace_that_names_nobody_is_of_no_use_in_part(tmp_path, small_windows):
    path = unpack("mindie_small", tmp_path)
    events = [e for e in json.loads(path.read_text()) if e["ph"] != "M"]
    (tmp_path / "nameless").mkdir()
    with pytest.raises(Cancelled):
        read_trace(write(events, tmp_path / "nameless"), Enough(path.name, 20))


def test_a_cut_trace_is_told_by_its_profile(tmp_path, small_windows):
    unpack("mindie_small", tmp_path)
    opened = open_profile(tmp_path)
    steps = opened.load("steps", Enough("chrome_tracing.json", 100)).frame
    assert 0 < steps.height < open_profile(tmp_path).load("steps").frame.height
    assert steps["domain"].null_count() == 0
    assert [note.file for note in opened.cuts] == ["chrome_tracing.json"]


def test_up_to_where_another_stopped():
    assert UpTo(Silent(), None).wants_more("f", 10, 20)
    assert UpTo(Enough("f", 0), None).wants_more("f", 10, 20), "nothing less is taken"
    assert [UpTo(Silent(), 10).wants_more("f", done, 20) for done in (9, 10)] == [True, False]


class Waiter(Silent):
    def __init__(self):
        self.told, self.cancelled, self.enough = threading.Event(), False, False

    def advance(self, what, done, total):
        self.told.set()
        if self.cancelled:
            raise Cancelled

    def wants_more(self, what, done, total):
        self.advance(what, done, total)
        return not self.enough


def two_who_wait(act):
    """Return what each of two gets, the second of whom comes while the first loads; `act` gets both."""
    begun, found = threading.Event(), {}

    def load(progress):
        for n in range(10_000):
            begun.set()
            if not progress.wants_more("f", n, 10_000):
                return n
            threading.Event().wait(0.001)
        return -1

    once, waiters = Once(load), (Waiter(), Waiter())

    def ask(number):
        try:
            found[number] = once(waiters[number])
        except Cancelled:
            found[number] = None

    threads = [threading.Thread(target=ask, args=(number,)) for number in (0, 1)]
    threads[0].start()
    begun.wait()
    threads[1].start()
    waiters[1].told.wait()
    act(*waiters)
    for thread in threads:
        thread.join()
    return found


def test_who_waits_is_told_and_may_have_enough():
    def act(_first, second):
        second.enough = True

    found = two_who_wait(act)
    assert found[0] == found[1] >= 0


def test_loading_goes_on_for_the_other():
    def act(first, second):
        first.cancelled = True
        first.told.clear()
        first.told.wait()
        second.told.clear()
        second.told.wait()
        second.enough = True

    found = two_who_wait(act)
    assert found[1] >= 0


def test_loading_ends_when_nobody_waits():
    def act(first, second):
        first.cancelled = second.cancelled = True

    assert two_who_wait(act) == {0: None, 1: None}
