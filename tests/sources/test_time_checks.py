"""Times and durations against what stands beside them. Expected values come from the unchanged files."""

from datetime import datetime, timedelta

import pytest

from lbtui.sources import open_profile
from tests.sources.recorded import CSV_ONLY, lay_out, rows, sentences, write

ALL = [*CSV_ONLY, "csv_only/request.csv"]
EPOCHS = ("start_time(ms)", "end_time(ms)")


def utc(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S:%f") - timedelta(hours=8)


def moved(text, hours):
    """Return a wall-clock text of another zone, with its colon before the microseconds."""
    return (utc(text) + timedelta(hours=hours)).strftime("%Y-%m-%d %H:%M:%S:%f")


@pytest.mark.parametrize(("hours", "name"), [(0, "+00:00"), (-5, "-05:00"), (5.75, "+05:45")])
def test_texts_of_another_zone_beside_right_numbers_are_read_in_that_zone(tmp_path, hours, name):
    for file in ALL:
        changed = rows(file)
        for row in changed:
            for header in row.keys() & {"start_datetime", "end_datetime", "start_time"}:
                row[header] = moved(row[header], hours)
        write(tmp_path, file.partition("/")[2], changed)
    profile = open_profile(tmp_path)
    kv = profile.load("kv")  # its file has texts alone
    assert sorted(kv.frame["time"].to_list()) == sorted(
        utc(row["start_time"]) for row in rows("csv_only/kvcache.csv")
    )
    arrivals = profile.load("requests").frame["arrival"].to_list()
    assert arrivals == [utc(row["start_datetime"]) for row in rows("csv_only/request.csv")]
    notes = sentences(profile.load("steps").notes)
    assert f"forward.csv, batch.csv, request_status.csv, request.csv are those of UTC{name}" in notes


def test_texts_of_shanghai_need_no_note(tmp_path):
    profile = open_profile(lay_out(tmp_path, *ALL))
    for name in ("steps", "batches", "kv", "queues", "requests"):
        assert "UTC" not in sentences(profile.load(name).notes)


def in_other_unit(name, factor, *headers):
    changed = rows(name)
    for row in changed:
        for header in headers:
            row[header] = str(float(row[header]) * factor) if row[header] else ""
    return changed


LATENCIES = ("execution_time(ms)", "queue_wait_time(ms)", "first_token_latency(ms)")


def test_latencies_in_microseconds_end_after_all_that_ran_and_are_read_so(tmp_path):
    lay_out(tmp_path, *ALL)
    write(tmp_path, "request.csv", in_other_unit("csv_only/request.csv", 1000, *LATENCIES))
    loaded = open_profile(tmp_path).load("requests")
    written = rows("csv_only/request.csv")
    for column, header in zip(("duration", "queue_wait", "ttft"), LATENCIES, strict=True):
        assert loaded.frame[column].to_list() == pytest.approx([float(row[header]) for row in written])
    assert "duration, ttft, queue_wait are read so" in sentences(loaded.notes)


def test_a_first_token_that_is_in_ms_already_stays(tmp_path):
    lay_out(tmp_path, *ALL)
    write(tmp_path, "request.csv", in_other_unit("csv_only/request.csv", 1000, "execution_time(ms)"))
    loaded = open_profile(tmp_path).load("requests")
    written = rows("csv_only/request.csv")
    assert loaded.frame["duration"].sum() == pytest.approx(
        sum(float(r["execution_time(ms)"]) for r in written)
    )
    assert loaded.frame["ttft"].to_list() == [float(r["first_token_latency(ms)"]) for r in written]


def test_latencies_in_no_plain_unit_are_unknown(tmp_path):
    lay_out(tmp_path, *ALL)
    write(tmp_path, "request.csv", in_other_unit("csv_only/request.csv", 1e6, *LATENCIES))
    loaded = open_profile(tmp_path).load("requests")
    assert loaded.frame.select("duration", "ttft", "queue_wait").null_count().row(0) == (133, 133, 133)
    assert "their unit is not plain" in sentences(loaded.notes)


def test_requests_that_outlast_the_scheduling_records_keep_their_durations(tmp_path):
    """Schedulers were recorded for the first second only: 30 ms a token says ms, whatever the end."""
    lay_out(tmp_path, *ALL)
    for name in ("batch.csv", "forward.csv"):
        first = [row for row in rows(f"csv_only/{name}") if utc(row["start_datetime"]).second < 1]
        write(tmp_path, name, first)
    loaded = open_profile(tmp_path).load("requests")
    written = [float(row["execution_time(ms)"]) for row in rows("csv_only/request.csv")]
    assert loaded.frame["duration"].to_list() == written
    assert loaded.notes == ()


@pytest.mark.parametrize(("factor", "unit"), [(1000, "µs"), (0.001, "s")])
def test_forward_durations_in_another_unit_than_start_to_end(tmp_path, factor, unit):
    lay_out(tmp_path, *ALL)
    headers = ("during_time(ms)", "bubble_time(ms)")
    write(tmp_path, "forward.csv", in_other_unit("csv_only/forward.csv", factor, *headers))
    loaded = open_profile(tmp_path).load("steps")
    written = rows("csv_only/forward.csv")
    assert loaded.frame["duration"].sum() == pytest.approx(sum(float(r["during_time(ms)"]) for r in written))
    # What is written is rounded to 0.01 ms; computed from start and end it is not.
    bubbles = [float(r["bubble_time(ms)"]) for r in written if r["bubble_time(ms)"]]
    assert loaded.frame["bubble"].sum() == pytest.approx(sum(bubbles), abs=0.02 * len(bubbles))
    assert f"during_time is in {unit}" in sentences(loaded.notes)


def test_a_row_that_contradicts_itself_is_mended_where_one_side_is_plainly_right(tmp_path):
    head = "start_time(ms),end_time(ms),during_time(ms),batch_size,prof_id,hostname\n"
    t = 1767225600000

    def line(start, end, duration):
        return f"{t + start}.0,{t + end}.0,{duration},1,ms_service_a-1,a\n"

    body = [
        line(0, 20, 20),
        line(30, 20, 25),  # ends before it starts: 25 ms
        line(60, 80, 300),  # 300 ms would run into the next pass: 20 ms
        line(90, 490, 20),  # ends after the next start: 20 ms
        line(120, 130, 25),  # either may be
        line(150, 170, 20),
    ]
    (tmp_path / "forward.csv").write_text(head + "".join(body * 1))
    loaded = open_profile(tmp_path).load("steps")
    assert loaded.frame["duration"].to_list() == [20, 25, 20, 20, None, 20]
    ends = loaded.frame["end"].to_list()
    assert [(e - datetime(2026, 1, 1)) / timedelta(milliseconds=1) for e in ends] == [
        20,
        55,
        80,
        110,
        130,
        170,
    ]
    assert "In 4 of 6 rows during_time is not the time from start to end" in sentences(loaded.notes)


def test_a_first_token_later_than_the_end_is_unknown_and_counted(tmp_path):
    changed = rows("csv_only/request.csv")
    for row in changed[:5]:
        row["first_token_latency(ms)"] = str(float(row["execution_time(ms)"]) * 1.5)
    write(tmp_path, "request.csv", changed)
    loaded = open_profile(tmp_path).load("requests")
    assert loaded.frame["ttft"].is_null().to_list() == [True] * 5 + [False] * 128
    assert "5 of 133 requests have a first token after their end" in sentences(loaded.notes)


def test_a_first_token_with_the_last_of_many_is_unknown(tmp_path):
    """The parser of October 2025 wrote the whole execution time as the time to first token."""
    head = "http_rid,start_datetime,reply_token_size,execution_time(ms),first_token_latency(ms)\n"
    line = "{},2026-01-01 08:00:00:056408,{},761.0,{}\n"
    body = [("a", 27, 760.9), ("b", 1, 760.9), ("c", 27, 700.0), ("d", 27, 762.5)]
    (tmp_path / "request.csv").write_text(head + "".join(line.format(*row) for row in body))
    loaded = open_profile(tmp_path).load("requests")
    assert loaded.frame["ttft"].to_list() == [None, 760.9, 700.0, None]
    assert "2 of 4 requests" in sentences(loaded.notes)


def excel(row):
    return {
        **row,
        **{header: f"{float(row[header]):.5E}" for header in EPOCHS if header in row},
        **{h: "2026/1/1 8:00" for h in ("start_datetime", "end_datetime") if h in row},
    }


def truth(name="csv_only/forward.csv"):
    return [utc(row["start_datetime"]) for row in rows(name)]


def test_rounded_forward_passes_are_placed_by_the_rounds(tmp_path):
    lay_out(tmp_path, *CSV_ONLY, "old_versions/spreadsheet/forward.csv")
    loaded = open_profile(tmp_path).load("steps")
    off = [abs(a - b) for a, b in zip(sorted(loaded.frame["start"]), sorted(truth()), strict=True)]
    assert max(off) < timedelta(milliseconds=0.2)
    assert "853 of 853 passes are placed by relative_start_time(ms)" in sentences(loaded.notes)


def test_rounded_passes_of_each_host_have_a_zero_of_their_own(tmp_path):
    lay_out(tmp_path, "mindie_tp4/batch.csv")
    write(tmp_path, "forward.csv", [excel(row) for row in rows("mindie_tp4/forward.csv")])
    loaded = open_profile(tmp_path).load("steps")
    expected = sorted(truth("mindie_tp4/forward.csv"))
    off = [abs(a - b) for a, b in zip(sorted(loaded.frame["start"]), expected, strict=True)]
    assert max(off) < timedelta(milliseconds=0.5)


def test_rounded_passes_without_rounds_are_said_to_be_rounded(tmp_path):
    write(tmp_path, "forward.csv", [excel(row) for row in rows("csv_only/forward.csv")])
    loaded = open_profile(tmp_path).load("steps")
    assert loaded.frame.is_empty()
    assert "Its times are rounded, as a spreadsheet does" in sentences(loaded.notes)
    assert "0 of 853 passes are placed" in sentences(loaded.notes)


def test_rounded_passes_that_fit_everywhere_are_not_placed(tmp_path):
    """Rounds of one size at a steady pace: one round later fits as well."""
    rounds, passes = [], []
    for number in range(300):
        start = 1767225600000.0 + 30 * number
        times = {"start_time(ms)": start, "end_time(ms)": start + 25}
        rounds.append({"name": "Execute", "prof_id": "ms_service_a-1", "batch_size": 4, **times})
        if number < 250:
            relative = {"relative_start_time(ms)": 30.0 * number, "during_time(ms)": 24.0}
            rounded = dict.fromkeys(EPOCHS, "1.76723E+12")
            process = {"prof_id": "ms_service_a-2", "hostname": "a", "batch_size": 4}
            passes.append({**relative, **process, **rounded})
    write(tmp_path, "batch.csv", rounds)
    write(tmp_path, "forward.csv", passes)
    loaded = open_profile(tmp_path).load("steps")
    assert "0 of 250 passes are placed" in sentences(loaded.notes)
    assert "fit no rounds, or several" in sentences(loaded.notes)


def test_texts_are_used_beside_rounded_numbers(tmp_path):
    lay_out(tmp_path, *ALL)
    for name in ("batch.csv", "forward.csv", "request.csv"):
        changed = rows(f"csv_only/{name}")
        rounded = [{**row, **{h: f"{float(row[h]):.5E}" for h in EPOCHS if h in row}} for row in changed]
        write(tmp_path, name, rounded)
    profile = open_profile(tmp_path)
    assert sorted(profile.load("steps").frame["start"]) == sorted(truth())
    executed = [r for r in rows("csv_only/batch.csv") if r["name"] == "Execute"]
    starts = sorted(profile.load("batches").frame["start"])
    assert starts == sorted(utc(row["start_datetime"]) for row in executed)
    assert "its time texts are used" in sentences(profile.load("steps").notes)


def test_rounded_tables_without_another_time_are_unknown_and_said_so(tmp_path):
    lay_out(tmp_path, *ALL)
    for name in ("batch.csv", "request.csv"):
        write(tmp_path, name, [excel(row) for row in rows(f"csv_only/{name}")])
    profile = open_profile(tmp_path)
    assert profile.load("batches").frame.is_empty()
    assert "the times of batch.csv are rounded" in sentences(profile.load("steps").notes)
    requests = profile.load("requests")
    assert requests.frame["arrival"].null_count() == 133
    written = [float(row["execution_time(ms)"]) for row in rows("csv_only/request.csv")]
    assert requests.frame["duration"].to_list() == written
    assert "Its times are rounded" in sentences(requests.notes)


def test_whole_seconds_of_short_files_are_not_taken_for_rounded(tmp_path):
    head = "hostuid,pid,start_datetime,relative_timestamp(ms),waiting,running,swapped\n"
    body = "".join(f"a,1,{1696321692 + n},0,{n},,\n" for n in range(20))
    (tmp_path / "request_status.csv").write_text(head + body)
    assert open_profile(tmp_path).load("queues").frame["waiting"].to_list() == list(range(20))


def test_passes_that_start_on_whole_seconds_and_end_between_are_not_taken_for_rounded(tmp_path):
    started = 1767225600000.0
    times = [(started + 1000 * n, started + 1000 * n + 25) for n in range(100) for _ in range(4)]
    passes = [
        {
            "prof_id": f"ms_service_a-{i % 4}",
            "hostname": "a",
            "batch_size": 4,
            **dict(zip(EPOCHS, t, strict=True)),
        }
        for i, t in enumerate(times)
    ]
    write(tmp_path, "forward.csv", passes)
    loaded = open_profile(tmp_path).load("steps")
    assert "rounded" not in sentences(loaded.notes)
    assert loaded.frame["start"].n_unique() == 100


def test_passes_cut_to_whole_seconds_at_both_ends_are_said_to_be_rounded(tmp_path):
    cut = rows("csv_only/forward.csv")
    for row in cut:
        row.update({h: str(float(row[h]) // 1000 * 1000) for h in EPOCHS})
        row.update(start_datetime="", end_datetime="")
    write(tmp_path, "forward.csv", cut)
    loaded = open_profile(tmp_path).load("steps")
    assert "Its times are rounded" in sentences(loaded.notes)
