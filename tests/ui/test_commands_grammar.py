"""What a line behind the colon asks for, how it goes on, and the lines before it: pure."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.manual import text_of
from lbtui.profile.schema import SCHEMAS
from lbtui.sql.grammar import FRAMES
from lbtui.ui.commands.completing import completed, completed_query, listed
from lbtui.ui.commands.finding import found_among, grouped
from lbtui.ui.commands.grammar import COMMANDS, SETTINGS, Known, Mistake, Parsed, nearest, parsed
from lbtui.ui.commands.history import MOST, History
from lbtui.ui.kit.at import MEANINGS, PANE_KEYS, View, format_view
from lbtui.ui.kit.places import Subject, Target
from lbtui.ui.kit.selection import Aim

KNOWN = Known(
    {"1": "1", "2": "2", "3": "3", "overview": "1", "dp": "2", "p/d": "3", "pd": "3"},
    {
        "domain": ["dp0", "dp5", "d0/dp1", "d1/dp1"],
        "node": ["10.0.0.1:80"],
        "layer": ["0", "1", "2", "3"],
        "metric": ["batch_size", "tokens", "kv_usage", "kv_free"],
    },
    pane="dp",
)


def view(line, known=KNOWN):
    found = parsed(line, known)
    assert isinstance(found, Parsed), found
    return format_view(found.view)


def mistake(line, known=KNOWN):
    found = parsed(line, known)
    assert isinstance(found, Mistake), found
    return found.text


@pytest.mark.parametrize(
    ("line", "does", "argument"),
    [
        ("2", "pane", "2"),
        (" :dp ", "pane", "2"),
        ("P/D", "pane", "3"),
        ("find dp5  x ", "find", "dp5  x"),
        ("sql  SELECT 1; ", "sql", "SELECT 1;"),
        ("report a b.md", "report", "a b.md"),
        ("write x.svg", "w", "x.svg"),
        ("q", "q", ""),
        ("quit", "q", ""),
        ("help", "help", ""),
        ("help w", "help", "w"),
        ("slo ttft=500", "slo", "ttft=500"),
    ],
)
def test_commands(line, does, argument):
    assert parsed(line, KNOWN) == Parsed(does, argument)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("dp5", "dp;d=dp5"),
        ("d0/dp1", "dp;d=d0/dp1"),
        ("domain d1/dp1", "dp;d=d1/dp1"),
        ("10.0.0.1:80", "pd;n=10.0.0.1:80"),
        ("t 08:00:24.5", "dp;t=08:00:24.5"),
        ("window 08:00:20..08:00:30", "dp;w=08:00:20..08:00:30"),
        ("window all", "dp;w=all"),
        ("layer 3", "ep;l=3"),
        ("metric kv_u", "dp;m=kv_usage"),
        ("metric tokens", "dp;m=tokens"),
        ("filter a=b; c", "dp;f=a%3Db%3B c"),
        ("side before", "dp;side=before"),
        ("m=tokens;w=all", "dp;m=tokens;w=all"),
        ("pd;m=ended;n=10.0.0.1:80", "pd;m=ended;n=10.0.0.1:80"),
    ],
)
def test_go_to_and_set(line, wanted):
    assert view(line) == wanted


def test_a_metric_is_set_where_one_is_chosen():
    known = Known(KNOWN.panes, KNOWN.names, pane="overview", measured="dp")
    assert view("metric tokens", known) == "dp;m=tokens"
    assert view("t 10:00:00", known) == "overview;t=10:00:00"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "help lists"),
        ("fnd dp5", "no command fnd (nearest: find)"),
        ("xyzzy", "no command xyzzy (help lists all)"),
        ("dp6", "no command dp6 (nearest: dp"),
        ("9", "there is no pane 9; there are 1 2 3"),
        ("find", "it is written find TEXT"),
        ("q now", "q takes nothing behind it"),
        ("layer 31", "there is no layer 31; there are 0 to 3"),
        ("layer", "it is written layer NUMBER"),
        ("metric kv", "several begin with kv: kv_usage, kv_free"),
        ("metric zzz", "there are batch_size, tokens"),
        ("side left", "there is no side left"),
        ("rank 3", "this profile has none: rank"),
        ("dp;t", "t is no part of a view"),
        ("m=%zz", "%"),
        ("dp 3", "no command dp (nearest: dp)"),
    ],
)
def test_mistakes_get_a_sentence_with_the_nearest_name(line, words):
    assert words in mistake(line)


def test_every_setting_is_a_part_of_a_view_and_every_command_does_something_else():
    assert {setting.part for setting in SETTINGS} <= MEANINGS.keys()
    assert {setting.pane for setting in SETTINGS} <= {"", *PANE_KEYS}
    names = [each.name for each in (*COMMANDS, *SETTINGS)]
    assert len(names) == len(set(names))
    assert not set(names) & {*PANE_KEYS, *(name for name in KNOWN.panes)}
    assert {each.does for each in COMMANDS if each.does} <= {each.name for each in COMMANDS}


@given(st.text(max_size=60))
def test_any_line_is_something_or_a_mistake_in_one_line(line):
    found = parsed(line, KNOWN)
    if isinstance(found, Mistake):
        assert found.text
        assert "\x1b" not in found.text
        assert "\n" not in found.text
    elif found.view is not None:
        assert isinstance(found.view, View)
    else:
        assert found.does in {each.name for each in COMMANDS} | {"pane"}


@given(st.text(max_size=60))
def test_whatever_is_completed_goes_on_from_within_the_line(line):
    found = completed(line, KNOWN, lambda _text, _folders: ["a/", "b.md"])
    assert 0 <= found.start <= len(line)
    if found.candidates:
        assert all(each.startswith(found.common()) for each in found.candidates)


@given(st.sampled_from([*COMMANDS, *SETTINGS]), st.data())
def test_the_beginning_of_a_name_leads_to_it(command, data):
    begun = command.name[: data.draw(st.integers(1, len(command.name)))]
    if not getattr(command, "does", ""):
        assert command.name in [each.strip() for each in completed(begun, KNOWN).candidates]


def test_arguments_are_completed():
    assert completed("layer ", KNOWN).candidates == ("0", "1", "2", "3")
    assert completed("metric kv", KNOWN).candidates == ("kv_usage", "kv_free")
    assert completed("metric kv", KNOWN).common() == "kv_"
    # What only holds the letters is offered where nothing begins so.
    assert completed("metric usage", KNOWN).candidates == ("kv_usage",)
    assert completed("dp", KNOWN).candidates == ("dp", "dp0", "dp5")
    assert completed("slo tt", KNOWN).candidates == ("ttft=",)
    assert completed("slo ttft=5,t", KNOWN).candidates == ("ttft=", "tpot=")
    assert completed("slo ttft=5,t", KNOWN).start == len("slo ttft=5,")
    assert completed("side b", KNOWN).candidates == ("before",)
    assert completed("nothing so", KNOWN).candidates == ()
    assert completed("help s", KNOWN).candidates == ("sql", "slo")


def test_files_are_completed(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub2").mkdir()
    for name in ("summary.md", ".hidden", "bad\x1bname"):
        (tmp_path / name).touch()
    base = f"{tmp_path}/"
    assert listed(f"{base}su", False) == [f"{base}sub/", f"{base}sub2/", f"{base}summary.md"]
    assert listed(f"{base}su", True) == [f"{base}sub/", f"{base}sub2/"]
    assert listed(base, False) == [f"{base}sub/", f"{base}sub2/", f"{base}summary.md"]
    assert listed(f"{base}.h", False) == [f"{base}.hidden"]
    assert listed(f"{base}none/", False) == []
    assert listed("/\0", False) == []
    found = completed(f"export parquet {base}su", KNOWN)
    assert found.candidates == (f"{base}sub/", f"{base}sub2/")
    assert found.start == len("export parquet ")
    assert completed(f"w {base}summ", KNOWN).candidates == (f"{base}summary.md",)


def test_a_query_is_completed_with_tables_and_their_columns():
    assert completed_query("SELECT dp_rank FROM st", KNOWN).candidates == ("steps",)
    assert completed_query("SELECT * FROM ", KNOWN).candidates == FRAMES
    found = completed_query("SELECT tt FROM requests"[:9], KNOWN)
    assert found.start == 7
    assert found.candidates == ("ttft",)
    # Of the tables that the query names, not of others.
    assert "usage" not in completed_query("SELECT * FROM steps WHERE ", KNOWN).candidates
    assert set(SCHEMAS["steps"]) < set(completed_query("SELECT * FROM steps WHERE ", KNOWN).candidates)
    assert completed_query("SELECT r.tt", KNOWN).candidates == ("ttft",)
    assert completed_query("SELECT r.tt", KNOWN).start == len("SELECT r.")
    assert "SELECT " in completed_query("", KNOWN).candidates
    assert "GROUP BY " in completed_query("SELECT 1 FROM steps gro", KNOWN).candidates
    assert completed_query("SELECT 'st", KNOWN).candidates == ()
    assert completed("sql SELECT * FROM req", KNOWN).start == len("sql SELECT * FROM ")


def test_nearest():
    assert nearest("expotr", ["export", "report"]) == "export"
    assert nearest("qqqq", ["export"]) is None


def test_the_history_is_walked_and_what_was_begun_is_there_again():
    history = History(["a", "b"])
    history.begin()
    assert history.walk(1, "begun") == "b"
    assert history.walk(1, "b") == "a"
    assert history.walk(1, "a") is None
    assert history.walk(-1, "a") == "b"
    assert history.walk(-1, "b") == "begun"
    assert history.walk(-1, "begun") is None


@given(st.lists(st.text(max_size=5), max_size=30))
def test_the_history_keeps_each_line_once_the_newest_last(lines):
    history = History(lines)
    kept = [line.strip() for line in lines if line.strip()]
    assert list(history.lines) == list(reversed(list(dict.fromkeys(reversed(kept)))))


def test_the_history_is_bounded():
    history = History(map(str, range(MOST + 10)))
    assert len(history.lines) == MOST
    assert history.lines[-1] == str(MOST + 9)
    history.add("x" * 5000)
    assert history.lines[-1] == str(MOST + 9)


def subject(group, name, tells=""):
    return Subject(group, name, tells, Target("1", {}, Aim()))


def test_what_is_found_holds_every_word_and_a_number_is_a_whole_one():
    known = [subject("EP ranks", f"rank {number}") for number in range(40)]
    known += [subject("DP domains", f"svc/dp{number}", "host-3") for number in range(12)]
    assert [each.name for each in found_among(known, "rank 3")] == ["rank 3"]
    assert [each.name for each in found_among(known, "RANK")][:2] == ["rank 0", "rank 1"]
    # What is called so before what only holds it.
    assert [each.name for each in found_among(known, "dp1")] == ["svc/dp1", "svc/dp10", "svc/dp11"]
    assert len(found_among(known, "dp host-3")) == 12
    assert found_among(known, "nobody") == []
    assert [group for group, _own, _count in grouped(found_among(known, "3"))] == ["EP ranks", "DP domains"]


def test_what_the_manual_writes_behind_the_colon_is_a_command():
    page = text_of("commands")
    written = re.findall(r"`:([^`]+)`", page) + re.findall(r"^:(.+)$", page, re.M)
    assert len(written) > 25
    known = Known(
        {**KNOWN.panes, **{str(key): str(key) for key in range(1, 8)}},
        {
            **KNOWN.names,
            "domain": ["dp5", "svc/dp5"],
            "node": ["10.20.0.11:1025"],
            **{kind: [str(number) for number in range(40)] for kind in ("layer", "rank", "period")},
            "metric": ["kv_usage", "tokens"],
        },
        pane="dp",
    )
    assert [line for line in written if isinstance(parsed(line, known), Mistake)] == []
    # And every one there is has its place there.
    said = {line.partition(" ")[0] for line in written}
    missing = [each.name for each in (*COMMANDS, *SETTINGS) if not getattr(each, "does", "")]
    assert [name for name in missing if name not in said] == ["domain"]
