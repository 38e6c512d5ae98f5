"""A window is that of one capture: rows of a broken time and captures of another day are told, not drawn."""

import json
from datetime import datetime, timedelta

import polars as pl
import pytest

from lbtui.cli import main
from lbtui.findings.diagnosis import diagnose
from lbtui.overview.run import identity, overview
from lbtui.profile.place import Part, parts_of, times_of, window_of
from lbtui.sources import open_profile
from tests.sources.recorded import CSV_ONLY, content, lay_out
from tests.sources.shifted import DAY, moved, rows_of, write

SECOND = 1_000_000
EPOCH = datetime(1970, 1, 1)
PD = [
    f"pd_ep/{name}.csv" for name in ("coordinator", "pd_split_communication", "pd_split_kvcache", "request")
]


def document(capsys, folder, *options):
    """Return the JSON document of a folder and the exit code of --fail-on critical."""
    code = main([str(folder), "--json", "--fail-on", "critical", *options])
    return json.loads(capsys.readouterr().out), code


def judged(made):
    """Return what a document says of the load: no notes, no files."""
    profile = {key: made["profile"][key] for key in ("hosts", "window", "dp_domains", "nodes")}
    load = [finding for finding in made["findings"] if finding["dimension"] != "data"]
    return profile, made["metrics"], load


def at(*stretches):
    """Return stretches (begin, end) in seconds as times of a frame."""
    return tuple(Part(round(b * SECOND), round(e * SECOND), 5) for b, e in stretches)


@pytest.mark.parametrize(
    ("stretches", "parts"),
    [
        ([(0, 8), (600, 608)], 1),  # less than ten minutes
        ([(0, 8), (700, 708)], 2),
        ([(0, 8), (86_400, 86_408)], 2),
        ([(0, 8), (86_400, 86_408), (172_800, 172_808)], 3),
        ([(0, 36_000), (36_000 + 12 * 3600, 110_000)], 1),  # idle overnight
        ([(0, 36_000), (36_900, 36_900)], 1),  # one late row of a long capture
        ([(0, 36_000), (10 * 36_000, 10 * 36_000)], 1),
        ([(0, 36_000), (12 * 36_000, 12 * 36_000)], 2),
        ([(1800 * n, 1800 * n + 5) for n in range(20)], 1),  # asked for every half hour
        ([*((1800 * n, 1800 * n + 5) for n in range(20)), (3e8, 3e8)], 2),
        ([(43_200 * n, 43_200 * n + 8) for n in range(12)], 12),  # a capture every half day
    ],
)
def test_a_gap_parts_captures_only_where_it_is_far_longer_than_they_are(stretches, parts):
    assert len(parts_of([at(*stretches)])) == parts
    # Whatever the frames that the rows are spread over.
    assert len(parts_of([at(stretch) for stretch in reversed(stretches)])) == parts


def test_another_frame_bridges_a_gap():
    steps = at((0, 8), (7200, 7208))
    samples = at(*((300 * n, 300 * n) for n in range(25)))
    assert len(parts_of([steps])) == 2
    assert len(parts_of([steps, samples])) == 1


@pytest.mark.parametrize("apart", [timedelta(hours=1), timedelta(days=3652), timedelta(days=365 * 60)])
def test_times_are_exact_on_both_sides_of_a_gap(apart):
    start = datetime(2026, 1, 1)
    begin = [start + timedelta(seconds=7 * n) for n in range(1000)]
    later = [t + apart + timedelta(hours=2) for t in begin[:300]]
    starts = [*begin, *later]
    frame = pl.DataFrame({"start": starts, "end": [t + timedelta(seconds=3) for t in starts]})
    frame = frame.cast(pl.Datetime("us")).sample(fraction=1.0, shuffle=True, seed=1)
    micro = timedelta(microseconds=1)
    spans = [
        ((part[0] - EPOCH) // micro, (part[-1] - EPOCH) // micro + 3 * SECOND) for part in (begin, later)
    ]
    assert [(t.begin, t.end, t.rows) for t in times_of("steps", frame)] == [
        (*spans[0], 1000),
        (*spans[1], 300),
    ]
    whole = spans[0][0], spans[1][1]
    # An hour is not far longer than the two hours before it.
    assert window_of({"steps": frame}) == (whole if apart == timedelta(hours=1) else spans[0])
    assert window_of({"steps": frame}, whole=True) == whole


@pytest.mark.parametrize("file", ["forward", "batch", "kvcache", "request", "request_status"])
@pytest.mark.parametrize("year", [1971, 2036])
def test_a_row_of_another_year_changes_no_figure(tmp_path, capsys, file, year):
    """The expected figures are those of the files without that row."""
    without, strayed = lay_out(tmp_path / "without", *CSV_ONLY), lay_out(tmp_path / "strayed", *CSV_ONLY)
    name = f"{file}.csv"
    rows = rows_of(content(f"csv_only/{name}"))
    # One that nothing else follows from: requests' rows in batch.csv give KV events their domain.
    place = max(i for i, row in enumerate(rows) if row.get("name") not in ("BatchSchedule",))
    write(without / name, rows[:place] + rows[place + 1 :])
    stray = moved(rows[place], name, datetime(year, 1, 1) - datetime(2026, 1, 1))
    write(strayed / name, [*rows[:place], stray, *rows[place + 1 :]])
    expected, found = document(capsys, without), document(capsys, strayed)
    assert judged(found[0]) == judged(expected[0])
    assert found[1] == expected[1] == 1
    told = [f for f in found[0]["findings"] if f["id"] == "data.rows.stray"]
    assert [f["evidence"] for f in told] == [name]
    assert f"{year}-01-01 08:00:0" in told[0]["message"]
    assert f"1 of {len(rows)}" in told[0]["message"] or file in ("batch", "request_status")
    # All rows on one axis, where asked for.
    everything, _code = document(capsys, strayed, "--capture", "all")
    side = "start" if year < 2026 else "end"
    assert everything["profile"]["window"][side].startswith(str(year))


def test_a_stray_coordinator_bin_changes_no_figure(tmp_path, capsys):
    without, strayed = lay_out(tmp_path / "without", *PD), lay_out(tmp_path / "strayed", *PD)
    rows = rows_of(content("pd_ep/coordinator.csv"))
    write(without / "coordinator.csv", rows[:-1])
    write(strayed / "coordinator.csv", [*rows[:-1], moved(rows[-1], "coordinator.csv", 3652 * DAY)])
    expected, found = document(capsys, without), document(capsys, strayed)
    assert judged(found[0]) == judged(expected[0])
    assert found[1] == expected[1]
    assert "2036-01-01" in next(f["message"] for f in found[0]["findings"] if f["id"] == "data.rows.stray")


def two_runs(folder, gap, *, rows=None):
    """Lay out two runs `gap` apart, the first cut to its first `rows`, the header between them."""
    lay_out(folder, *CSV_ONLY)
    for path in folder.glob("*.csv"):
        later = rows_of(path.read_bytes())
        first = [moved(row, path.name, -gap) for row in later[:rows]]
        write(path, [*first, *later], header_before=len(first))
    return folder


@pytest.mark.parametrize("gap", [DAY, 7 * DAY, timedelta(minutes=15)])
def test_of_two_equal_captures_one_is_shown_and_both_are_told(tmp_path, capsys, gap):
    alone = lay_out(tmp_path / "alone", *CSV_ONLY)
    both = two_runs(tmp_path / "both", gap)
    expected, found = document(capsys, alone), document(capsys, both)
    assert judged(found[0]) == judged(expected[0])
    assert found[1] == expected[1] == 1
    captures = found[0]["profile"]["captures"]
    assert [capture["shown"] for capture in captures] == [False, True]
    begins = [datetime.fromisoformat(capture["start"]) for capture in captures]
    assert begins[1] - begins[0] == gap
    [told] = [f for f in found[0]["findings"] if f["id"] == "data.captures"]
    assert all(f"{begin:%Y-%m-%d %H:%M:%S}" in told["message"] for begin in begins)
    first, _code = document(capsys, both, "--capture", "1")
    assert datetime.fromisoformat(first["profile"]["window"]["start"]) == begins[0]
    assert [f["value"] for f in judged(first)[2]] == [f["value"] for f in judged(expected[0])[2]]


def test_an_aborted_capture_a_week_before_is_named_in_the_header(tmp_path, capsys):
    folder = two_runs(tmp_path / "both", 7 * DAY, rows=59)
    assert judged(document(capsys, folder)[0]) == judged(
        document(capsys, lay_out(tmp_path / "a", *CSV_ONLY))[0]
    )
    said = identity(overview(open_profile(folder)))
    assert "2026-01-01 08:00:00–08:00:08" in said
    assert "2025-12-25 08:00:00" in said


def test_a_number_that_no_capture_has_is_a_usage_error(tmp_path, capsys):
    folder = two_runs(tmp_path / "both", DAY)
    assert main([str(folder), "--report", "--capture", "3"]) == 2
    assert "no capture 3: the files hold 2" in capsys.readouterr().err


def test_rows_that_all_lie_elsewhere_are_not_said_to_be_missing(tmp_path, capsys):
    folder = lay_out(tmp_path, *CSV_ONLY)
    rows = [moved(row, "kvcache.csv", -3 * DAY) for row in rows_of(content("csv_only/kvcache.csv"))]
    write(folder / "kvcache.csv", rows)
    main([str(folder), "--report"])
    said = capsys.readouterr().out
    assert "2025-12-29 08:00:00–08:00:08" in said
    assert "no KV reading is recorded" not in said
    assert "domain KVCache was not recorded, or only" not in said


def day_long(folder):
    """Write steps of two domains every ten seconds for 25 hours."""
    start = datetime(2026, 1, 1, 8)
    lines = [
        "name,during_time(ms),batch_size,batch_type,forward_iter,dp_rank,prof_id,hostname,start_time(ms),end_time(ms)"
    ]
    for n in range(9000):
        begin = 1767225600000 + n * 10_000 + n % 7 * 0.25
        for rank in (0, 1):
            # dp1 is doubled on the second morning.
            size = 8 if rank and n > 8640 else 4
            lines.append(
                f"forward,30,{size},Decode,{n},{rank},ms_service_node-a-{rank},node-a,{begin},{begin + 30}"
            )
    folder.mkdir(exist_ok=True)
    (folder / "forward.csv").write_text("\n".join(lines) + "\n")
    return start


def test_a_window_over_midnight_names_both_dates(tmp_path, capsys):
    day_long(tmp_path)
    for style in ("text", "markdown"):
        main([str(tmp_path), f"--report={style}"])
        said = capsys.readouterr().out
        assert "2026-01-01 08:00:00–2026-01-02 08:59:50" in said
    main([str(tmp_path), "--report"])
    said = capsys.readouterr().out
    assert "peak 8 on dp1 at 2026-01-02 08:00:10" in said
    assert "· 08:0" not in said  # no time of day that could be of either day


def test_an_even_runs_par_is_that_of_the_overview_with_the_tests_answer(tmp_path):
    folder = lay_out(tmp_path, *(f"even_small/{path.split('/')[1]}" for path in CSV_ONLY))
    opened = open_profile(folder)
    known = overview(opened)
    diagnosis = diagnose(opened, known.window)
    assert diagnosis.even
    [support] = [figure for figure in diagnosis.support if figure.dimension == "dp"]
    [line] = [f for f in known.figures() if (f.metric, f.formula) == ("batch_size", "time_weighted_par")]
    assert support.value == line.value
    assert support.high == line.chance
    assert (support.value > support.high) == ("p = " in support.text)
