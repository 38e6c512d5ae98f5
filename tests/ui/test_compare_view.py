"""The Compare pane as text, without an app."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.comparison import Comparison, Row
from lbtui.comparison.words import effect_words, load_sentence
from lbtui.overview.model import Place
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.ui.panes.compare import view
from lbtui.ui.panes.compare.help import entries
from lbtui.ui.panes.compare.target import side_of, target_of
from lbtui.ui.panes.compare.view import CompareState
from lbtui.ui.panes.compare.words import row_sentences
from tests.render.strategies import caps as any_caps
from tests.render.strategies import check, words
from tests.ui import comparisons as made

UNICODE, ASCII = Capabilities("256"), Capabilities("none", unicode=False)


def text(known, state, width, height, caps=UNICODE):
    return plain(view.draw(known, state, Canvas(width, height, caps)))


WIDE = """\
 1 worse, 1 better of 4 headlines · 1 worse, 1 better of 4 details        o shows only what changed
   before /runs/before/output   after /runs/after/output
   No evidence that the loads differ: request rate, input length.
                                                 before   after    change   ±100 %     verdict
 Load ──────────────────────────────────────────────────────────────────────────────────────────────
  request rate, requests/s                          2.6    2.58     −0.02      ●      =  no evidence
  input length, tokens                              560     563        +3      ●      =  no evidence
 DP · server-d0 ────────────────────────────────────────────────────────────────────────────────────
→ batch size, PAR                                  1.42    1.82     +0.40      │●━    !! worse
    waiting requests, mean                            0       2        +2    ━━━━━━>  ?  too little
 KV cache · server-d0 ──────────────────────────────────────────────────────────────────────────────
  KV use of the fullest domain, mean               72 %     2 %    −70 pp  <━  │      ++ better
 P/D · prefill ─────────────────────────────────────────────────────────────────────────────────────
  requests per node, PAR                           1.40    1.30     −0.10     ━●      =  no evidence
 P/D ───────────────────────────────────────────────────────────────────────────────────────────────
    KV pull, p95, ms                                  –      41         –      │      /  no pair
 EP · server-d0 ────────────────────────────────────────────────────────────────────────────────────
  expert load of ranks, PAR of the mean layer      1.41    1.43     +0.02      │●     =  no evidence
 Requests ──────────────────────────────────────────────────────────────────────────────────────────
    TTFT, p95, ms                                   402     931      +529      │  ━>  !! worse
    throughput, output tokens, tokens/s            20.6    22.6        +2      │●     ++ better



────────────────────────────────────────────────────────────────────────────────────────────────────
 batch size, PAR · server-d0: 1.42 before, 1.82 after, +0.40× mean; 95 % interval +0.25 to +0.55.
 Worse: more of it, beyond chance (adjusted p 0.002); less is better.
 Max / mean."""


def test_every_kind_of_row_as_it_stands_on_the_screen():
    known = made.comparison()
    assert text(known, view.starting(known), 100, 29).rstrip() == WIDE


def test_ascii_without_colour_says_the_same():
    known = made.comparison()
    lines = text(known, view.starting(known), 100, 29, ASCII).splitlines()
    spelled = str.maketrans("→●━│", ">o=|")
    assert lines[8] == WIDE.splitlines()[8].translate(spelled)
    assert all(line.isascii() for line in lines)


def test_loads_that_differ_are_told_first():
    known = made.comparison(loads_differ=True)
    lines = text(known, view.starting(known), 120, 29).splitlines()
    assert lines[2].startswith(" ! The loads differ, which may explain everything below: request rate 2.6")
    assert "→ 3.4 requests/s" in lines[2]
    assert any("request rate" in line and line.endswith("!  load differs") for line in lines)
    thin = Comparison("a", "b", (replace(made.rows()[0], verdict="too_little_data", reason="thin"),))
    assert load_sentence(thin) == "Whether both runs had the same load cannot be told."


def only_changed(known, state, *, wanted=True):
    return view.filtered(known, state, changed_only=wanted, text="")


def test_c_leaves_what_changed_and_keeps_the_row_under_the_cursor():
    known = made.comparison(loads_differ=True)
    state = view.moved(known, CompareState(), 4)
    only = only_changed(known, state)
    shown = view.shown_rows(known, only)
    assert [r.metric.key for r in shown] == [
        "request_rate", "batch_size.par", "usage.fullest.mean", "ttft.p95", "throughput.output_tokens",
    ]  # fmt: skip
    assert shown[only.cursor] is known.rows[4]
    assert only_changed(known, only, wanted=False) == state
    # From a row that is not shown, to the one before it.
    assert only_changed(known, CompareState(3)).cursor == 1
    nothing = Comparison("a", "b", (made.rows()[1],))
    assert "Nothing changed beyond chance" in text(nothing, only_changed(nothing, CompareState()), 80, 20)


def test_the_first_row_in_view_is_a_heading_or_above_one():
    known = made.comparison()
    for height in range(12, 29):
        for cursor in range(len(known.rows)):
            lines = text(known, CompareState(cursor), 100, height).splitlines()
            first = next(i for i, line in enumerate(lines) if "verdict" in line) + 1
            assert "──" in lines[first] or "──" in lines[first + 1]
            assert not ("──" in lines[first] and "──" in lines[first + 1])


def test_n_goes_from_change_to_change():
    known = made.comparison()
    state, seen = CompareState(), []
    for _press in range(5):
        state = view.next_change(known, state, 1)
        seen.append(state.cursor)
    assert seen == [2, 4, 8, 9, 9]
    assert view.next_change(known, state, -1).cursor == 8


def test_the_cursor_starts_on_a_worse_headline_then_a_better_one_then_a_detail():
    rows = list(made.rows())
    assert view.starting(made.comparison()).cursor == 2
    rows[2] = replace(rows[2], verdict="no_evidence")
    assert view.starting(Comparison("a", "b", tuple(rows))).cursor == 4
    rows[4] = replace(rows[4], verdict="no_evidence")
    assert view.starting(Comparison("a", "b", tuple(rows))).cursor == 8


def test_a_click_finds_the_row_that_is_drawn_there():
    known = made.comparison()
    for width, height in ((80, 21), (120, 29), (200, 47)):
        for cursor in range(len(known.rows)):
            state = CompareState(cursor)
            lines = text(known, state, width, height).splitlines()
            (y,) = [i for i, line in enumerate(lines) if line.startswith("→")]
            assert view.row_at(known, state, width, height, y) == cursor


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("ttft.p95", "402 ms before, 931 ms after, 2.32× before (+529 ms); 95 % interval +300 to +760 ms."),
        ("usage.fullest.mean", "72 % before, 2 % after, −70 pp; 95 % interval −93 to −47 pp."),
        ("waiting.mean", "Too little data: before: thin; 10 are needed."),
        ("transfer.p95", "Not comparable: before: no KV pull is recorded."),
        (
            "rank_load.mean_layer_par",
            "No evidence of a change (adjusted p 0.010): beyond chance, but too small.",
        ),
        ("added.par", "the interval holds 0, equal runs may differ by that much."),
        ("throughput.output_tokens", "Better: more of it, beyond chance (adjusted p 0.010); more is better."),
    ],
)
def test_the_reading_line_says_what_changed_and_why_the_verdict(key, said):
    (found,) = [r for r in made.rows() if r.metric.key == key]
    assert said in " ".join(row_sentences(found))
    assert row_sentences(found)[-1] == found.metric.formula


def test_help_has_every_formula_and_the_method():
    told = {entry.name: entry.text for entry in entries(made.comparison())}
    for row in made.rows():
        (text,) = [text for name, text in told.items() if name.endswith(f" · {row.metric.label}")]
        assert text.startswith(row.metric.formula)
    assert "Holm" in told["verdict"]
    assert "resampled" in told["95 % interval"]


def test_enter_leads_to_the_pane_and_the_subject():
    targets = {row.metric.key: target_of(row) for row in made.rows()}
    par = targets["batch_size.par"]
    assert (par.pane, par.aim.metric, par.aim.instance) == ("2", "batch_size", "server-d0")
    assert targets["usage.fullest.mean"].aim.metric == "kv_usage"
    assert (targets["added.par"].pane, targets["added.par"].aim.role) == ("3", "prefill")
    assert targets["transfer.p95"].aim.handoffs
    experts = targets["rank_load.mean_layer_par"]
    assert (experts.pane, experts.selection["instance"]) == ("4", "server-d0")
    assert targets["ttft.p95"].pane == "5"
    sides = {row.metric.key: side_of(row) for row in made.rows()}
    assert (sides["batch_size.par"], sides["transfer.p95"]) == ("difference", "after")


figures = st.one_of(st.floats(-1e7, 1e7), st.sampled_from([0.0, math.nan, math.inf, -math.inf]))
anything = st.builds(
    Row,
    st.sampled_from([row.metric for row in made.rows()]).flatmap(
        lambda m: words.map(lambda t: replace(m, label=t))
    ),
    st.builds(Place, instance=st.none() | words, role=st.none() | words),
    st.sampled_from(["better", "worse", "no_evidence", "too_little_data", "not_comparable"]),
    figures,
    figures,
    figures,
    figures,
    st.floats(0, 1),
    st.floats(0, 1) | st.just(math.nan),
    words,
)


@given(
    st.lists(anything, max_size=8),
    st.integers(0, 12),
    st.booleans(),
    st.integers(1, 220),
    st.integers(1, 50),
    any_caps,
)
def test_any_rows_fill_any_size_exactly(rows, cursor, only, width, height, caps):
    known = Comparison("/\x1b[31mred", "/after\u202e", tuple(rows), ("note \x9b",) * 3)
    state = view.moved(known, CompareState(cursor, changed_only=only), 0)
    check(view.draw(known, state, Canvas(width, height, caps)), width, caps, height)
    for row in rows:
        assert effect_words(row) is not None
