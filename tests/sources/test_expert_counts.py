"""Token counts by model expert: .npy, CSV and JSON of [layer, expert] or [step, layer, expert]."""

import csv
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lbtui import cli
from lbtui.overview.run import overview
from lbtui.profile import Unreadable
from lbtui.sources import open_profile
from tests.sources.made import Service, write
from tests.sources.recorded import sentences
from tests.tools import make_expert_loads
from tests.tools.expert_format import placement_of

CASES = Path(__file__).parents[1] / "data" / "expert_files"

STEPS, LAYERS, EXPERTS = 3, 4, 16
COUNTS = np.random.default_rng(5).integers(0, 900, (STEPS, LAYERS, EXPERTS))


def saved(path, array):
    np.save(path, array)
    return path


def tokens_of(opened, view="model_expert"):
    """Return the cells of a view as [layer, column]."""
    cells = opened.load("expert_heat").frame.filter(view=view).sort("layer", "column")
    return cells["tokens"].to_numpy().reshape(cells["layer"].n_unique(), -1)


def told(opened):
    return sentences(opened.load("expert_heat").notes)


def contiguous(layers, experts, ranks):
    own = experts // ranks
    return [[list(range(rank * own, (rank + 1) * own)) for rank in range(ranks)] for _layer in range(layers)]


def placement_file(folder, layers, name="expert_map.json"):
    path = folder / name
    path.write_text(json.dumps(placement_of(layers)))
    return path


# Arrays


@pytest.mark.parametrize("dtype", ["i8", ">i4", "u2", "f4", "f8"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_arrays_read_back_exactly(tmp_path, dtype, dimensions):
    array = COUNTS if dimensions == 3 else COUNTS[0]
    opened = open_profile(saved(tmp_path / "load.npy", np.asfortranarray(array.astype(dtype))))
    expected = array.sum(axis=0) if dimensions == 3 else array
    assert tokens_of(opened).tolist() == expected.tolist()
    assert {file.reader for file in opened.files} == {"expert_counts"}
    assert opened.load("expert_heat").frame["rank"].null_count() == LAYERS * EXPERTS
    assert "PAR over ranks needs a placement (--placement FILE)" in told(opened)


BAD = {
    "objects": (np.array([[{"a": 1}]], dtype=object), "pickled objects"),
    "complex": (np.ones((2, 3), dtype=complex), "its cells are complex128, not whole numbers"),
    "text": (np.array([["a"]]), "not whole numbers"),
    "truth": (np.ones((2, 3), dtype=bool), "its cells are bool, not whole numbers"),
    "structured": (np.zeros(3, dtype=[("a", "i4")]), "not whole numbers"),
    "one dimension": (np.arange(4), "its shape is 4; [layer, expert] or [step, layer, expert] is needed"),
    "four": (np.ones((2, 2, 2, 2), dtype=int), "its shape is 2 × 2 × 2 × 2;"),
    "none": (np.array(3), "its shape is one number;"),
    "empty": (np.ones((0, 3), dtype=int), "it holds nothing"),
    "fractions": (np.array([[0.5, 1]]), "it holds 0.5, which is no whole number of tokens"),
    "nan": (np.array([[1, np.nan]]), "it holds nan, which is no whole number"),
    "infinite": (np.array([[1, np.inf]]), "it holds inf, which is no whole number"),
    "below 0": (np.array([[1, -3]]), "it holds a number below 0"),
    "huge": (np.array([[1, 2**60]]), "which is no whole number of tokens"),
}


def refused(path):
    """Return the sentence with which a file is refused, when it is opened or when it is read."""
    try:
        return told(open_profile(path))
    except Unreadable as error:
        return str(error)


@pytest.mark.parametrize("name", BAD)
def test_other_arrays_get_a_sentence(tmp_path, name):
    array, sentence = BAD[name]
    np.save(tmp_path / "load.npy", array, allow_pickle=True)
    assert sentence in refused(tmp_path / "load.npy")
    assert "load.npy cannot be read as token counts of experts" in refused(tmp_path / "load.npy")


def npy_bytes(array):
    held = io.BytesIO()
    np.save(held, array)
    return held.getvalue()


WHOLE = npy_bytes(COUNTS)
BROKEN = {
    "cut": (WHOLE[:-5], "its header tells 1536 bytes, and 1531 are there: copy it again"),
    "longer": (WHOLE + b"x", "its header tells 1536 bytes"),
    "cut header": (WHOLE[:40], "no array of numpy, or cut within its header"),
    "nothing": (b"", "no array of numpy"),
    "text": (b"1,2,3\n", "no array of numpy"),
    "a zip of arrays": (b"PK\x03\x04" + bytes(60), "no array of numpy"),
    "a huge shape": (
        WHOLE.replace(b"(3, 4, 16), ", b"(3, 4, 9**9)"),
        "no array of numpy",
    ),
    "a shape beyond the file": (WHOLE.replace(b"(3, 4, 16), ", b"(9, 4, 99), "), "bytes, and 1536 are there"),
    "version 9": (WHOLE[:6] + b"\x09" + WHOLE[7:], "no array of numpy|its header is of version"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_cut_and_hostile_arrays_are_refused_before_they_are_read(tmp_path, name):
    content, sentence = BROKEN[name]
    path = tmp_path / "load.npy"
    path.write_bytes(content)
    with pytest.raises(Unreadable) as raised:
        open_profile(path)
    assert re.search(sentence, str(raised.value))
    assert cli.main([str(path), "--report"]) == 3


def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "load.npy")
    with pytest.raises(Unreadable):
        open_profile(tmp_path / "load.npy")


# Ranks by a placement


def test_a_placement_gives_ranks(tmp_path):
    path = saved(tmp_path / "load.npy", COUNTS)
    layers = contiguous(LAYERS, EXPERTS, 4)
    opened = open_profile(path, placement=placement_file(tmp_path, layers))
    by_rank = COUNTS.reshape(STEPS, LAYERS, 4, 4).sum(axis=(0, 3))
    assert tokens_of(opened, "rank").tolist() == by_rank.tolist()
    (series,) = opened.load_expert_series().series
    assert np.array_equal(series.tokens, COUNTS)
    assert [p.precision for p in opened.load("expert_heat").provenance] == ["exact tokens"]


def test_loads_on_eight_ranks_in_order(tmp_path):
    with np.load(make_expert_loads.FILE) as arrays:
        counts = arrays["tokens"]
    pars = []
    for layer in counts.sum(axis=0, dtype=int).tolist():
        ranks = [sum(layer[8 * rank : 8 * rank + 8]) for rank in range(8)]
        pars.append(max(ranks) * 8 / sum(ranks))
    path = saved(tmp_path / "counts.npy", counts)
    known = overview(open_profile(path, placement=placement_file(tmp_path, contiguous(26, 64, 8))))
    values = {figure.formula: figure.value for figure in known.figures()}
    assert values["mean_layer_par"] == pytest.approx(sum(pars) / 26)
    assert values["max_layer_par"] == pytest.approx(max(pars))


def test_copies_share_evenly_and_it_is_said(tmp_path):
    path = saved(tmp_path / "load.npy", COUNTS[:, :1, :4])
    # Expert 0 three times, 3 nowhere; rank 1 has a slot less.
    layers = [[[0, 1, 2], [0, 0]]]
    opened = open_profile(path, placement=placement_file(tmp_path, layers))
    zero, one, two, three = COUNTS[:, 0, :4].sum(axis=0).tolist()
    slots = opened.load("expert_heat").frame.filter(view="expert").sort("rank", "slot")
    copies = slots.filter(expert=0)["tokens"].to_list()
    assert sum(copies) == zero
    assert max(copies) - min(copies) <= 1
    assert slots.select("rank", "slot", "expert").rows() == [
        (0, 0, 0),
        (0, 1, 1),
        (0, 2, 2),
        (1, 0, 0),
        (1, 1, 0),
    ]
    assert slots.filter(expert=1)["tokens"].to_list() + slots.filter(expert=2)["tokens"].to_list() == [
        one,
        two,
    ]
    share = 100 * three / (zero + one + two + three)
    assert f"{three} tokens ({share:.1f} %) are of experts that" in told(opened)
    assert "share its tokens evenly" in told(opened)
    # In each step as well, to within one token of a copy.
    (series,) = opened.load_expert_series().series
    by_step = series.tokens[:, 0, [0, 3, 4]]
    assert by_step.sum(axis=1).tolist() == COUNTS[:, 0, 0].tolist()
    assert int(np.ptp(by_step, axis=1).max()) <= 1
    placed = opened.load("placements").frame
    assert sorted(placed["expert"].to_list()) == [0, 0, 0, 1, 2]


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        (
            contiguous(LAYERS + 1, EXPERTS, 4),
            "places 16 experts in 5 layers; these are counts of 16 experts in 4",
        ),
        (
            contiguous(LAYERS, EXPERTS * 2, 4),
            "places 32 experts in 4 layers; these are counts of 16 experts in 4",
        ),
    ],
)
def test_a_placement_of_another_model_is_not_used(tmp_path, layers, sentence):
    opened = open_profile(saved(tmp_path / "a.npy", COUNTS), placement=placement_file(tmp_path, layers))
    assert sentence in told(opened)
    assert tokens_of(opened).tolist() == COUNTS.sum(axis=0).tolist()


def test_dense_layers_that_only_the_counts_have_are_left_out(tmp_path):
    """SGLang counts every layer of the model; msit's placement has those of experts only."""
    dense = np.concatenate([np.zeros_like(COUNTS[:, :2]), COUNTS], axis=1)
    path = saved(tmp_path / "a.npy", dense)
    opened = open_profile(path, placement=placement_file(tmp_path, contiguous(LAYERS, EXPERTS, 4)))
    assert tokens_of(opened).tolist() == COUNTS.sum(axis=0).tolist()
    assert "Its first 2 layers hold no token" in told(opened)


def test_a_map_without_ranks_leaves_them_unknown(tmp_path):
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"physical_to_logical_map": [list(range(EXPERTS))] * LAYERS}))
    opened = open_profile(saved(tmp_path / "a.npy", COUNTS), placement=path)
    assert "map.json tells no ranks" in told(opened)
    path.write_text(json.dumps({"physical_to_logical_map": [list(range(EXPERTS))] * LAYERS, "ep_size": 2}))
    opened = open_profile(tmp_path / "a.npy", placement=path)
    assert tokens_of(opened, "rank").tolist() == COUNTS.reshape(STEPS, LAYERS, 2, 8).sum(axis=(0, 3)).tolist()


def test_counters_that_go_on_are_told_from_steps(tmp_path):
    steps = np.random.default_rng(1).integers(0, 50, (8, LAYERS, EXPERTS))
    placement = placement_file(tmp_path, contiguous(LAYERS, EXPERTS, 4))
    opened = open_profile(saved(tmp_path / "a.npy", steps.cumsum(axis=0)), placement=placement)
    (series,) = opened.load_expert_series().series
    assert np.array_equal(series.tokens, steps)
    assert "Its 8 steps never fall" in told(opened)


# CSV


def text_of(rows, separator=","):
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


LONG = [(layer, expert, COUNTS[0, layer, expert]) for layer in range(LAYERS) for expert in range(EXPERTS)]
STEPPED = [
    (s, layer, e, COUNTS[s, layer, e])
    for s in range(STEPS)
    for layer in range(LAYERS)
    for e in range(EXPERTS)
]
WIDE = COUNTS[0].tolist()
NUMBERED = list(range(EXPERTS))
TABLES = {
    "SGLang": ([("layer_id", "expert_id", "count"), *LONG], 1),
    "SGLang's lines in another order": ([("layer_id", "expert_id", "count"), *LONG[::-1]], 1),
    "long without header": (LONG, 1),
    "long by step": ([("step", "layer", "expert", "tokens"), *STEPPED], STEPS),
    "long by step without header": (STEPPED, STEPS),
    "wide without header": (WIDE, 1),
    "wide with names": ([[f"expert_{e}" for e in NUMBERED], *WIDE], 1),
    "wide with layers": ([["layer", *NUMBERED], *([layer, *row] for layer, row in enumerate(WIDE))], 1),
    "pandas": ([["", *NUMBERED], *([layer, *row] for layer, row in enumerate(WIDE))], 1),
    "pandas without index": ([NUMBERED, *WIDE], 1),
    "wide by step": (
        [
            ["step", "layer_id", *(f"expert{e}" for e in NUMBERED)],
            *([s, layer, *COUNTS[s, layer].tolist()] for s in range(STEPS) for layer in range(LAYERS)),
        ],
        STEPS,
    ),
    "numpy.savetxt": ([[f"{cell:.18e}" for cell in row] for row in WIDE], 1),
}


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("name", TABLES)
def test_tables_read_back_exactly(tmp_path, name, separator):
    rows, steps = TABLES[name]
    path = tmp_path / "counts.csv"
    if separator == " " and rows[0][0] == "":
        pytest.skip("a blank head is none")
    path.write_text(text_of(rows, separator))
    assert tokens_of(open_profile(path)).tolist() == COUNTS[:steps].sum(axis=0).tolist()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings_and_line_ends_are_read(tmp_path, encoding):
    path = tmp_path / "counts.csv"
    path.write_bytes(text_of(TABLES["SGLang"][0], " , ").replace("\n", "\r\n").encode(encoding))
    assert tokens_of(open_profile(path)).tolist() == COUNTS[0].tolist()


def test_experts_that_no_token_chose_are_0_and_layers_count_from_the_first(tmp_path):
    rows = [("layer_id", "expert_id", "count"), (3, 0, 24990), (3, 2, 39249), (5, 7, 13378)]
    path = tmp_path / "expert_distribution_1.csv"
    path.write_text(text_of(rows))
    opened = open_profile(path)
    expected = np.zeros((3, 8), dtype=int)
    expected[0, 0], expected[0, 2], expected[2, 7] = 24990, 39249, 13378
    assert tokens_of(opened).tolist() == expected.tolist()
    assert "Its layers are numbered from 3, which is layer 0 here." in told(opened)
    assert "1 of 3 layers" in told(opened)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("layer_id,expert_id,count\n", "it has no line of numbers"),
        ("layer_id,expert_id,count\n0,1\n", "line 2 has 2 columns, the first has 3"),
        ("layer_id,expert_id,count\n0,1,2\n0,x,2\n", "line 3 holds x, which is no number of tokens"),
        ("layer_id,expert_id,count\n0,1,\n", "line 2 holds an empty cell"),
        ("layer_id,expert_id,count\n0,1,2.5\n", "it holds 2.5, which is no whole number of tokens"),
        ("layer_id,expert_id,count\n0,1,-2\n", "it holds a number below 0"),
        ("layer_id,expert_id,count\n0,999999999,2\n", "more layers and experts than any model has"),
        ("1,2,3\n4,5\n", "its first line is neither of numbers|columns, the first has"),
    ],
)
def test_broken_tables_get_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "expert_counts.csv"
    path.write_text(text)
    assert re.search(sentence, refused(path))


def test_a_strange_csv_is_taken_for_no_counts(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("name,value\nexpert,3\n")
    with pytest.raises(Unreadable, match="is no file of a parsed output"):
        open_profile(path)


def of_rank(folder, rank, counts, time="1744347750.37"):
    rows = [(la, e, counts[la, e]) for la in range(len(counts)) for e in range(len(counts[0]))]
    path = folder / f"expert_distribution_rank{rank}_timestamp{time}.csv"
    path.write_text(text_of([("layer_id", "expert_id", "count"), *rows]))
    return path


def test_the_ranks_of_a_dump_are_added_up(tmp_path):
    for rank in range(3):
        of_rank(tmp_path, rank, COUNTS[rank], f"174434775{rank}.37")
    opened = open_profile(tmp_path)
    assert tokens_of(opened).tolist() == COUNTS.sum(axis=0).tolist()
    assert "The counts of 3 ranks are added up" in told(opened)
    assert opened.load("expert_heat").frame["instance"].unique().to_list() == [
        "expert_distribution_rank*.csv"
    ]


def test_ranks_that_saw_the_same_tokens_count_once(tmp_path):
    for rank in range(3):
        of_rank(tmp_path, rank, COUNTS[0])
    opened = open_profile(tmp_path)
    assert tokens_of(opened).tolist() == COUNTS[0].tolist()
    assert "they saw the same tokens, which count once" in told(opened)


def test_one_rank_alone_is_told_to_be_one(tmp_path):
    paths = [of_rank(tmp_path, rank, COUNTS[rank]) for rank in range(2)]
    opened = open_profile(paths[1])
    assert tokens_of(opened).tolist() == COUNTS[1].tolist()
    assert "It is of one rank alone" in told(opened)


# JSON, folders, options


def test_counts_in_json_are_read_and_the_placement_beside_them(tmp_path):
    path = tmp_path / "record.json"
    layers = contiguous(LAYERS, EXPERTS, 4)
    flat = [[e for rank in layer for e in rank] for layer in layers]
    path.write_text(
        json.dumps({"logical_count": COUNTS.tolist(), "physical_to_logical_map": flat, "ep_size": 4})
    )
    opened = open_profile(path)
    assert tokens_of(opened, "rank").tolist() == COUNTS.reshape(STEPS, LAYERS, 4, 4).sum(axis=(0, 3)).tolist()
    path.write_text(json.dumps({"logical_count": [[1, 2], [3]]}))
    assert "its layers have different numbers of experts" in told(open_profile(path))


def test_a_folder_and_an_option_find_them(tmp_path):
    inner = tmp_path / "records"
    inner.mkdir()
    saved(inner / "load.npy", COUNTS)
    opened = open_profile(tmp_path)
    assert tokens_of(opened).tolist() == COUNTS.sum(axis=0).tolist()
    write(tmp_path / "output", Service("node-a", 10, (11,), 0, 0, (1, 2, 3)))
    for experts in (inner, inner / "load.npy"):
        beside = open_profile(tmp_path / "output", experts=experts)
        assert tokens_of(beside).tolist() == COUNTS.sum(axis=0).tolist()
        assert beside.has("steps")


def test_a_single_placement_beside_counts_is_theirs(tmp_path):
    saved(tmp_path / "load.npy", COUNTS)
    placement_file(tmp_path, contiguous(LAYERS, EXPERTS, 4))
    assert tokens_of(open_profile(tmp_path), "rank").shape == (LAYERS, 4)
    placement_file(tmp_path, contiguous(LAYERS, EXPERTS, 2), "expert_map_2.json")
    opened = open_profile(tmp_path)
    assert set(opened.load("expert_heat").frame["view"]) == {"model_expert"}


def test_the_cases_read_as_their_files_say():
    rows = list(csv.DictReader((CASES / "expert_distribution_1767225600.csv").open()))
    expected = np.zeros((4, 64), dtype=int)
    for row in rows:
        expected[int(row["layer_id"]), int(row["expert_id"])] += int(row["count"])
    assert tokens_of(open_profile(CASES / "expert_distribution_1767225600.csv")).tolist() == expected.tolist()
    counts = json.loads((CASES / "p_sglang_count.json").read_text())["logical_count"]
    assert tokens_of(open_profile(CASES / "p_sglang_count.json")).tolist() == counts
    array = np.load(CASES / "load.npy", allow_pickle=False)
    opened = open_profile(CASES / "load.npy")
    assert tokens_of(opened).tolist() == array.tolist()
    known = overview(opened)
    (line,) = [line for line in known.lines if line.key == "ep.rank_load"]
    assert line.absent.startswith("which ranks the experts lie on is not known")
    assert [(e.layers, e.ranks, e.experts) for e in known.experts] == [(4, None, 64)]


# torch

FAKE_TORCH = """
import numpy
def load(path, map_location, weights_only):
    assert weights_only is True and map_location == "cpu"
    return {loaded}
"""


@pytest.mark.parametrize("name", ["expert_distribution_recorder_1.pt", "expert_map.pth"])
def test_a_file_of_torch_is_never_opened_and_the_command_converts_it(tmp_path, name, capsys):
    path = tmp_path / f"it's {name}"
    path.write_bytes((CASES / name).read_bytes())
    assert cli.main([str(path), "--report"]) == 3
    said = capsys.readouterr().err
    (command,) = re.findall(r"`(.*)`", said)
    assert "weights_only=True" in command
    for loaded in ("{'logical_count': numpy.arange(12).reshape(3, 4)}", "numpy.arange(12).reshape(3, 4)"):
        (tmp_path / "torch.py").write_text(FAKE_TORCH.replace("{loaded}", loaded))
        program, *arguments = shlex.split(command)
        assert program == "python3"
        subprocess.run([sys.executable, *arguments], check=True, env={"PYTHONPATH": str(tmp_path)})
        assert np.load(path.with_suffix(".npy")).tolist() == np.arange(12).reshape(3, 4).tolist()


def test_a_map_in_a_file_of_torch_is_told_by_the_name_in_it(tmp_path):
    path = tmp_path / "location.pt"
    path.write_bytes(b"PK\x03\x04....physical_to_logical_map....")
    with pytest.raises(
        Unreadable, match=r"d\['physical_to_logical_map'\].*give location.npy with --placement"
    ):
        open_profile(path)


def test_a_folder_of_nothing_else_says_it_too(tmp_path):
    (tmp_path / "expert_distribution_recorder_1.pt").write_bytes(b"")
    with pytest.raises(Unreadable, match=r"torch\.load"):
        open_profile(tmp_path)
    write(tmp_path / "output", Service("node-a", 10, (11,), 0, 0, (1, 2, 3)))
    with pytest.raises(Unreadable, match=r"torch\.load"):
        open_profile(tmp_path / "output", experts=tmp_path / "expert_distribution_recorder_1.pt")
