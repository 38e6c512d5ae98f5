"""Going to what is named in the EP pane: every layer, rank, expert and period from every view."""

from functools import lru_cache
from itertools import product

import polars as pl
import pytest

from lbtui.profile import SCHEMAS
from lbtui.ui.panes.ep import state as ep_state
from lbtui.ui.panes.ep.going import gone_to, grammar, problem
from lbtui.ui.panes.ep.words import reading_words
from tests.ep_frames import cells
from tests.ui.test_ep_view import at, of, truth

# Three layers of four slots on two ranks; expert 2 lies on both ranks of layer 1.
SHARES = [[0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.2, 0.3], [0.25, 0.25, 0.25, 0.25]]
EXPERTS = [[0, 1, 2, 3], [2, 0, 1, 2], [3, 2, 1, 0]]
NUMBERS = {"layer": range(3), "rank": range(2), "expert": range(4), "period": (0, 1)}


def times():
    rows = [{"layer": layer, "column": c, "process": 100 + c} for layer in range(3) for c in range(2)]
    frame = pl.DataFrame(rows, SCHEMAS["layer_times"])
    return frame.with_columns(pl.col(pl.Float64).fill_null(1.0))


@lru_cache
def small():
    maps = []
    for period in (0, 1):
        ranks = [[a + b, c + d] for a, b, c, d in SHARES]
        by_expert = [
            [sum(s for s, e in zip(shares, experts, strict=True) if e == wanted) for wanted in range(4)]
            for shares, experts in zip(SHARES, EXPERTS, strict=True)
        ]
        maps += [
            cells(ranks, period=period),
            cells(SHARES, view="expert", period=period, slots=2, experts=EXPERTS),
            cells(by_expert, view="model_expert", period=period),
        ]
    return of(pl.concat(maps), times())


@pytest.mark.parametrize("view", ["rank", "expert", "model_expert", "times"])
def test_every_number_of_every_name_is_reached_from_every_view(view):
    data = small()
    assert set(data.views("d0")) >= {"rank", "expert", "model_expert", "times"}
    start = at(data, view, 1, 1)
    for name, numbers in NUMBERS.items():
        for number in numbers:
            text = f"{name}={number}"
            assert problem(data, start, text) is None
            found = gone_to(data, start, text)
            if name == "period":
                assert found.period == number
            else:
                parts = [f"{part} " for part in reading_words(data, found).split(" · ")]
                called = "process" if name == "rank" and found.view == "times" else name
                assert any(part.startswith(f"{called} {number} ") for part in parts), (text, parts)
            for other, field in (("layer", "layer"), ("period", "period")):
                if name != other:
                    assert getattr(found, field) == getattr(start, field), "nothing else moves"


@pytest.mark.parametrize(("rank", "layer", "expert"), list(product(range(2), range(3), range(4))))
def test_an_expert_on_a_rank_is_the_copy_there_or_there_is_none(rank, layer, expert):
    data, text = small(), f"rank={rank} layer={layer} expert={expert}"
    own = [slot for slot in range(4) if slot // 2 == rank and EXPERTS[layer][slot] == expert]
    start = ep_state.start(data)
    if own:
        assert problem(data, start, text) is None
        found = gone_to(data, start, text)
        assert (found.view, found.layer, found.slot) == ("expert", layer, own[0])
    else:
        assert problem(data, start, text) == f"There is no expert {expert} here."


def test_of_copies_the_most_loaded_is_taken():
    assert gone_to(small(), ep_state.start(small()), "layer=1 expert=2").slot == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layer=3", "There is no layer 3 here."),
        ("rank=2", "There is no rank 2 here."),
        ("expert=4", "There is no expert 4 here."),
        ("period=9", "There is no period 9 here."),
        ("layer=", "layer= wants one number behind it."),
        ("rank=x", "rank= wants one number behind it."),
        ("rank=1,2", "rank= wants one number behind it."),
        (f"rank={'9' * 5000}", "rank= wants one number behind it."),
        ("31", "“31” asks for none of layer=, rank=, expert=, period=."),
        ("slot=1", "“slot=1” asks for none of layer=, rank=, expert=, period=."),
    ],
)
def test_what_is_not_there_or_names_nothing_is_said(text, said):
    assert problem(small(), ep_state.start(small()), text) == said


def test_processes_go_by_their_place_where_there_are_no_experts():
    data = of(times=times())
    start = ep_state.start(data)
    assert problem(data, start, "layer=2 rank=1") is None
    assert reading_words(data, gone_to(data, start, "layer=2 rank=1")).startswith(
        "layer 2 · process 1 (pid 101)"
    )
    assert problem(data, start, "expert=1") == "There is no expert 1 here."


def test_nothing_written_is_where_the_cursor_was():
    start = at(small(), "expert", 2, 3)
    assert problem(small(), start, " ") is None
    assert gone_to(small(), start, " ") == start


def test_where_no_file_tells_which_expert_a_slot_holds_its_column_among_the_models_is_shown():
    found = gone_to(truth(), ep_state.start(truth()), "expert=5 layer=7")
    assert (found.view, found.expert, found.layer) == ("model_expert", 5, 7)


def test_the_grammar_is_as_it_is_read():
    words = [word.rstrip(",") for word in grammar().split() if "=" in word]
    assert {word.partition("=")[0] for word in words} == set(NUMBERS)
    assert all("asks for none" not in (problem(small(), ep_state.start(small()), w) or "") for w in words)
