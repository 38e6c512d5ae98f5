"""MindIE's expert dump, written from its description, read back exactly; and each way it can be broken."""

import json

import numpy as np
import pytest

from lbtui.profile import Cancelled, Silent
from lbtui.sources import open_profile
from lbtui.sources.experts.discover import find_expert_files
from lbtui.sources.experts.mindie_dump import read_dump
from tests.sources.made import Service, write
from tests.sources.recorded import sentences, state_of
from tests.tools.expert_format import RawMark, dump_config, placement_of, write_dump, write_raw

LAYERS, RANKS, LOCAL, BLOCKS = 3, 4, 2, 5
EXPERTS = RANKS * LOCAL


def increments(seed=0, ranks=RANKS, local=LOCAL, blocks=BLOCKS):
    """Return tokens [rank, block, layer, local expert] between blocks."""
    return np.random.default_rng(seed).integers(0, 1000, (ranks, blocks, LAYERS, local))


def cumulative(tokens):
    return {rank: blocks.cumsum(axis=0).tolist() for rank, blocks in enumerate(tokens)}


def dump(folder, phase="decode", tokens=None, config=None, **options):
    """Write one phase; return its tokens."""
    tokens = increments() if tokens is None else tokens
    config = dump_config(LAYERS, EXPERTS) if config is None else config
    write_dump(folder, phase, cumulative(tokens), config, **options)
    return tokens


def as_series(tokens):
    """Return [block, layer, column] of tokens [rank, block, layer, local expert]."""
    return tokens.transpose(1, 2, 0, 3).reshape(tokens.shape[1], LAYERS, -1)


def told(opened):
    return sentences(opened.load("expert_heat").notes)


def test_both_phases_read_back_exactly_and_apart(tmp_path):
    written = {
        phase: dump(tmp_path, phase, increments(seed)) for seed, phase in enumerate(("prefill", "decode"))
    }
    opened = open_profile(tmp_path)
    assert {file.reader for file in opened.files} == {"mindie_dump"}
    loaded = opened.load_expert_series()
    assert [(s.instance, s.phase, s.passes) for s in loaded.series] == [
        (tmp_path.name, "prefill", 8),
        (tmp_path.name, "decode", 8),
    ]
    for series in loaded.series:
        tokens = written[series.phase]
        assert np.array_equal(series.tokens, as_series(tokens))
        assert (series.ranks, series.slots_per_rank, series.experts) == (tuple(range(RANKS)), LOCAL, EXPERTS)
        assert series.period.tolist() == [0] * BLOCKS
        assert series.time is None
        assert series.placements[0].tolist() == [list(range(EXPERTS))] * LAYERS
        cells = opened.load("expert_heat").frame.filter(phase=series.phase, view="model_expert")
        assert cells["tokens"].to_list() == as_series(tokens).sum(axis=0).ravel().tolist()
        assert set(cells["instance"]) == {series.instance}
        by_rank = opened.load("expert_heat").frame.filter(phase=series.phase, view="rank")
        assert by_rank["tokens"].to_list() == tokens.sum(axis=(1, 3)).T.ravel().tolist()
    assert told(opened) == ""
    assert [p.reader for p in opened.load("expert_heat").provenance] == ["mindie_dump"]


def test_topk_files_are_something_else(tmp_path):
    tokens = dump(tmp_path)
    (tmp_path / "decode" / "decode_topk_0.csv").write_text("1,2\n")
    (tmp_path / "decode" / "decode_topk_0_bak.csv").write_text("1,2\n")
    (series,) = open_profile(tmp_path).load_expert_series().series
    assert np.array_equal(series.tokens, as_series(tokens))


def test_one_phases_folder_or_one_file_of_it_opens_too(tmp_path):
    tokens = dump(tmp_path)
    for path in (tmp_path / "decode", tmp_path / "decode" / "decode_0.csv"):
        (series,) = open_profile(path).load_expert_series().series
        assert np.array_equal(series.tokens, as_series(tokens))


def test_the_same_rank_in_several_node_folders_adds_up_as_far_as_all_have_blocks(tmp_path):
    one, two = increments(1), increments(2, blocks=BLOCKS - 1)
    dump(tmp_path / "node0", tokens=one)
    write_dump(tmp_path / "node1", "decode", cumulative(two), None)
    opened = open_profile(tmp_path)
    (series,) = opened.load_expert_series().series
    assert np.array_equal(series.tokens, as_series(one[:, : BLOCKS - 1] + two))
    assert "decode_0.csv: It lies in 2 folders: the tokens of 2 are added up, 4 blocks of each." in told(
        opened
    )


def test_nodes_with_ranks_of_their_own_need_one_config_only(tmp_path):
    """MindIE writes it on the node of rank 0."""
    tokens = increments()
    every = cumulative(tokens)
    write_dump(tmp_path / "node0", "decode", {r: every[r] for r in (0, 1)}, dump_config(LAYERS, EXPERTS))
    write_dump(tmp_path / "node1", "decode", {r: every[r] for r in (2, 3)}, None)
    (series,) = open_profile(tmp_path).load_expert_series().series
    assert np.array_equal(series.tokens, as_series(tokens))


def test_the_mirror_is_read_where_the_file_cannot_be(tmp_path):
    tokens = dump(tmp_path)
    (tmp_path / "decode" / "decode_1.csv").write_text("broken\n")
    (tmp_path / "decode" / "decode_2.csv").unlink()
    opened = open_profile(tmp_path)
    (series,) = opened.load_expert_series().series
    assert np.array_equal(series.tokens, as_series(tokens))
    assert "decode_1.csv cannot be read as an expert dump (line 1 holds broken" in told(opened)
    assert "decode_1_bak.csv: It is read in place of decode_1.csv." in told(opened)
    assert "decode_2_bak.csv: It is read in place of decode_2.csv." in told(opened)


def test_ranks_that_hold_shared_experts_only_are_left_out_and_told(tmp_path):
    """They have one column, whatever the others have."""
    tokens = increments()
    routed = {rank + 2: blocks for rank, blocks in cumulative(tokens).items()}
    shared = {rank: np.full((BLOCKS, LAYERS, 1), 5000).cumsum(axis=0).tolist() for rank in (0, 1)}
    config = dump_config(LAYERS, EXPERTS, num_dangling_shared_experts=2)
    write_dump(tmp_path, "decode", {**shared, **routed}, config)
    opened = open_profile(tmp_path)
    (series,) = opened.load_expert_series().series
    assert series.ranks == (2, 3, 4, 5)
    assert np.array_equal(series.tokens, as_series(tokens))
    assert series.placements[0].tolist() == [list(range(EXPERTS))] * LAYERS
    assert told(opened) == (
        "decode_*.csv: decode files 0, 1 hold shared experts only (num_dangling_shared_experts), which every "
        "token passes: left out."
    )


def with_map(folder, placement, **others):
    config = dump_config(LAYERS, 6, eplb_expert_map_file="/home/x/map_in_use.json", **others)
    tokens = dump(folder, config=config)
    if placement is not None:
        (folder / "map_in_use.json").write_text(json.dumps(placement_of(placement)))
    return tokens


PLACED = [
    [[0, 1], [2, 3], [4, 5], [0, 4]],
    [[5, 4], [3, 2], [1, 0], [3, 3]],
    [[0, 1], [2, 3], [4, 5], [5, 5]],
]


def test_the_placement_that_the_config_names_joins_slots_to_experts(tmp_path):
    tokens = with_map(tmp_path / "d", PLACED)
    (tmp_path / "d" / "map_in_use.json").rename(tmp_path / "d" / "decode" / "expert_map_in_use.json")
    config = tmp_path / "d" / "decode" / "model_gen_config.json"
    config.write_text(config.read_text().replace("map_in_use", "expert_map_in_use"))
    opened = open_profile(tmp_path / "d")
    (series,) = opened.load_expert_series().series
    flat = np.array(PLACED).reshape(LAYERS, EXPERTS)
    assert np.array_equal(series.placements[0], flat)
    assert series.experts == 6
    summed = as_series(tokens).sum(axis=0)
    cells = opened.load("expert_heat").frame.filter(view="model_expert").sort("layer", "column")
    assert cells["tokens"].to_list() == [
        int(summed[layer][flat[layer] == expert].sum()) for layer in range(LAYERS) for expert in range(6)
    ]
    placements = opened.load("placements").frame.sort("layer", "rank", "slot")
    assert placements["expert"].to_list() == flat.ravel().tolist()


def test_a_placement_that_is_not_there_is_told_and_can_be_given(tmp_path):
    with_map(tmp_path / "d", None)
    file = tmp_path / "elsewhere.json"
    file.write_text(json.dumps(placement_of(PLACED)))
    opened = open_profile(tmp_path / "d")
    (series,) = opened.load_expert_series().series
    assert series.placements == (None,)
    assert "map_in_use.json, is not beside the dump: give it with --placement" in told(opened)
    given = open_profile(tmp_path / "d", placement=file)
    (series,) = given.load_expert_series().series
    assert np.array_equal(series.placements[0], np.array(PLACED).reshape(LAYERS, EXPERTS))
    assert given.placement.experts.tolist() == PLACED
    assert given.placement.file == "elsewhere.json"


def test_a_placement_of_another_deployment_is_told(tmp_path):
    with_map(tmp_path / "d", None)
    file = tmp_path / "elsewhere.json"
    file.write_text(json.dumps(placement_of(PLACED[:2])))
    opened = open_profile(tmp_path / "d", placement=file)
    assert opened.load_expert_series().series[0].placements == (None,)
    assert "elsewhere.json: It has other layers, devices or slots than the loads" in told(opened)


def test_redundant_slots_without_a_placement_are_no_experts_in_order(tmp_path):
    dump(tmp_path, config=dump_config(LAYERS, EXPERTS - 2))
    (series,) = open_profile(tmp_path).load_expert_series().series
    assert series.placements == (None,)


def test_it_can_be_given_for_an_output(tmp_path):
    write(tmp_path / "output", Service("node-a", 10, (11,), 0, 0, (1, 2, 3)))
    dump(tmp_path / "dump")
    opened = open_profile(tmp_path / "output", tmp_path / "dump")
    assert opened.load("steps").frame.height == 3
    assert [p.reader for p in opened.load("expert_heat").provenance] == ["mindie_dump"]


def test_the_dump_asked_for_comes_before_a_raw_profile_found_near_the_output(tmp_path):
    # No other test has this process: the folders of all lie side by side, so that each would find it.
    write(tmp_path / "run" / "output", Service("node-asked", 10, (11,), 0, 0, (1, 2, 3)))
    mark = RawMark(1, {"rank": 0, "expert_hot": [[1, 2]]})
    write_raw(tmp_path / "run" / "Trace_Service", "node-asked", 10, [mark])
    dump(tmp_path / "dump")
    near = open_profile(tmp_path / "run" / "output").load("expert_heat")
    assert [p.reader for p in near.provenance] == ["raw_profile"]
    asked = open_profile(tmp_path / "run" / "output", tmp_path / "dump").load("expert_heat")
    assert [p.reader for p in asked.provenance] == ["mindie_dump"]


def test_a_dump_alone_says_that_nothing_else_is_here(tmp_path):
    dump(tmp_path)
    missing = open_profile(tmp_path).missing()
    assert missing[0].reason == "only expert loads are here, no parsed output"
    assert "--experts" in missing[0].how_to_collect


BROKEN = {
    "empty": ("", "decode_1.csv cannot be read as an expert dump (it has no whole line); copy it again."),
    "text": ("a,b\n", "(line 1 holds a, which is no number of tokens)"),
    "columns": ("1,2\n1,2,3\n1,2\n", "(line 2 has 3 columns, the first has 2)"),
    "fewer columns": ("1,2\n1\n1,2\n", "(line 2 has 1 columns, the first has 2)"),
    "fractions": ("1,2\n1.5,2\n1,2\n", "(line 2 holds 1.5, which is no number of tokens)"),
    "negative": ("1,2\n1,-2\n1,2\n", "(line 2 holds -2, which is no number of tokens)"),
    "huge": ("1,2\n1,9" + "9" * 40 + "\n1,2\n", "which is no number of tokens)"),
    "beyond 2^53": (f"1,2\n1,{2**60}\n1,2\n", "which is no number of tokens)"),
    "no cell": ("1,2\n1,\n1,2\n", "(line 2 holds an empty cell, which is no number of tokens)"),
    "no line": ("1,2\n\n1,2\n", "(line 2 has 1 columns, the first has 2)"),
    "control characters": ("1,\x1b[31m\n", "which is no number of tokens)"),
    "no UTF-8": (b"1,\xff\xfe\n1,2\n", "which is no number of tokens)"),
    "too short": ("1,2\n1,2\n", "(2 lines are no whole block of 3 layers)"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_gets_its_sentence_and_its_rank_is_left_out(tmp_path, name):
    content, sentence = BROKEN[name]
    tokens = dump(tmp_path, mirror=False)
    broken = tmp_path / "decode" / "decode_1.csv"
    broken.write_bytes(content if isinstance(content, bytes) else content.encode())
    opened = open_profile(tmp_path)
    assert sentence in told(opened)
    assert "\x1b" not in told(opened)
    (series,) = opened.load_expert_series().series
    assert series.ranks == (0, 2, 3)
    assert np.array_equal(series.tokens, as_series(tokens[[0, 2, 3]]))
    assert "EP ranks 1 are missing" in told(opened)


@pytest.mark.parametrize(
    ("cut", "left"), [("", 0), ("9,9\n", 1), ("9,9\n9,", 2), ("9,9\n9", 2), ("9,9\n9,9\n9,9", 3)]
)
def test_a_file_that_ends_within_a_block_loses_that_block_only(tmp_path, cut, left):
    tokens = dump(tmp_path, mirror=False)
    path = tmp_path / "decode" / "decode_1.csv"
    path.write_bytes(path.read_bytes() + cut.encode())
    opened = open_profile(tmp_path)
    (series,) = opened.load_expert_series().series
    assert np.array_equal(series.tokens, as_series(tokens))
    expected = f"It ends within a block: its last {left} lines are left out." if left else ""
    assert told(opened).removeprefix("decode_1.csv: ") == expected


def test_a_rank_with_other_columns_is_left_out(tmp_path):
    dump(tmp_path, mirror=False)
    (tmp_path / "decode" / "decode_1.csv").write_text("1,2,3\n" * LAYERS * BLOCKS)
    opened = open_profile(tmp_path)
    assert "EP ranks 1 are left out: their tables have another shape." in told(opened)


def test_a_counter_that_falls_was_begun_anew_and_is_told(tmp_path):
    blocks = {0: [[[5, 5]] * LAYERS, [[2, 7]] * LAYERS]}
    write_dump(tmp_path, "decode", blocks, dump_config(LAYERS, 2))
    opened = open_profile(tmp_path)
    (series,) = opened.load_expert_series().series
    assert series.tokens.tolist() == [[[5, 5]] * LAYERS, [[2, 7]] * LAYERS]
    assert "Counters fell 1 times: they are taken to have begun anew." in told(opened)


CONFIGS = {
    "no JSON": ("{", "model_gen_config.json is no JSON; without it a dump's layers are unknown."),
    "a list": ("[]", "tells no usable num_moe_layers (None)"),
    "no layers": ("{}", "tells no usable num_moe_layers (None)"),
    "layers 0": ('{"num_moe_layers": 0}', "tells no usable num_moe_layers (0)"),
    "layers text": ('{"num_moe_layers": "3"}', "tells no usable num_moe_layers ('3')"),
    "layers true": ('{"num_moe_layers": true}', "tells no usable num_moe_layers (True)"),
    "layers huge": ('{"num_moe_layers": 1e99}', "tells no usable num_moe_layers"),
    "deep": ("[" * 100_000, "is no JSON"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_without_layers_gets_its_sentence(tmp_path, name):
    content, sentence = CONFIGS[name]
    dump(tmp_path)
    (tmp_path / "decode" / "model_gen_config.json").write_text(content)
    opened = open_profile(tmp_path)
    assert opened.load("expert_heat").frame.is_empty()
    assert sentence in told(opened)
    assert opened.load_expert_series().series == ()


def test_a_config_that_is_not_there_gets_its_sentence(tmp_path):
    dump(tmp_path)
    (tmp_path / "decode" / "model_gen_config.json").unlink()
    opened = open_profile(tmp_path)
    assert "No model_gen_config.json lies beside the decode files" in told(opened)


@pytest.mark.parametrize(
    ("key", "value", "instead"),
    [
        ("collection_Interval", 0, "8"),
        ("collection_Interval", "8", "8"),
        ("num_of_experts", -3, "unknown"),
        ("num_of_experts", [256], "unknown"),
        ("num_dangling_shared_experts", -2, "0"),
        ("num_dangling_shared_experts", 1e9, "0"),
    ],
)
def test_other_nonsense_in_a_config_is_told_with_what_is_taken_instead(tmp_path, key, value, instead):
    tokens = dump(tmp_path, config=dump_config(LAYERS, EXPERTS, **{key: value}))
    opened = open_profile(tmp_path)
    (series,) = opened.load_expert_series().series
    assert np.array_equal(series.tokens, as_series(tokens))
    assert f"{key} is {value!r}, which cannot be; {instead} is taken." in told(opened)


@pytest.mark.parametrize("value", [None, -1])
def test_no_shared_files_may_be_written_as_null_or_minus_one(tmp_path, value):
    dump(tmp_path, config=dump_config(LAYERS, EXPERTS, num_dangling_shared_experts=value))
    assert told(open_profile(tmp_path)) == ""


def test_more_shared_files_than_files_leave_nothing(tmp_path):
    dump(tmp_path, config=dump_config(LAYERS, EXPERTS, num_dangling_shared_experts=9))
    opened = open_profile(tmp_path)
    assert opened.load("expert_heat").frame.is_empty()
    assert "hold shared experts only" in told(opened)


def test_a_map_named_anywhere_is_looked_for_beside_the_dump_only(tmp_path):
    """The config is data: it must not make lbtui read a file of its choice."""
    secret = tmp_path / "secret_placement.json"
    secret.write_text(json.dumps(placement_of(PLACED)))
    dump(tmp_path / "d", config=dump_config(LAYERS, 6, eplb_expert_map_file=str(secret)))
    opened = open_profile(tmp_path / "d")
    assert opened.load_expert_series().series[0].placements == (None,)


def test_reading_leaves_the_folder_as_it_was_and_can_be_cancelled(tmp_path):
    dump(tmp_path)
    before = state_of(tmp_path)
    open_profile(tmp_path).load_expert_series()
    assert state_of(tmp_path) == before
    told_of = []

    class Stopping(Silent):
        def advance(self, what, done, total):
            assert 0 <= done <= total
            told_of.append(done)
            if len(told_of) == 3:
                raise Cancelled

    with pytest.raises(Cancelled):
        read_dump(find_expert_files(tmp_path), Stopping(), [])
    assert told_of == sorted(told_of)
