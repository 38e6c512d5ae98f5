"""Placement files of msit, MindIE and vllm-ascend: read back exactly, or refused with a sentence."""

import copy
import json
import os
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.overview.run import overview
from lbtui.profile import UNPLACED, Unreadable
from lbtui.sources import open_profile
from lbtui.sources.experts.placement import read_placement
from tests.sources.made import Service, write
from tests.sources.recorded import sentences
from tests.sources.test_raw_profile import marks_of
from tests.tools.expert_format import RawMark, dump_config, placement_of, write_dump, write_raw

# As vllm-ascend's own fixture has it: two devices of five slots, experts 2 and 7 twice.
SAMPLE = [[[7, 2, 0, 3, 5], [6, 1, 4, 7, 2]]]


def file(folder, content, name="expert_map.json"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@given(
    st.integers(1, 4).flatmap(
        lambda devices: st.lists(
            st.lists(
                st.lists(st.integers(0, 300), min_size=3, max_size=3), min_size=devices, max_size=devices
            ),
            min_size=1,
            max_size=5,
        )
    )
)
def test_placements_read_back_exactly(tmp_path_factory, layers):
    path = file(tmp_path_factory.mktemp("placement"), placement_of(layers))
    assert read_placement(path).experts.tolist() == layers


def test_layers_and_devices_count_by_their_ids(tmp_path):
    layers = [[[0, 1], [2, 3]], [[3, 2], [1, 0]]]
    content = placement_of(layers)
    content["layer_list"].reverse()
    for layer in content["layer_list"]:
        layer["device_list"].reverse()
        layer["layer_id"] += 3  # a model whose first layers are dense
    assert read_placement(file(tmp_path, content)).experts.tolist() == layers


def test_devices_may_have_different_numbers_of_slots(tmp_path):
    placed = read_placement(file(tmp_path, placement_of([[[0, 1, 2], [3]]])))
    assert placed.experts.tolist() == [[[0, 1, 2], [3, UNPLACED, UNPLACED]]]


def broken(change):
    content = copy.deepcopy(placement_of([[[0, 1], [2, 3]], [[3, 2], [1, 0]]]))
    change(content)
    return content


def of(*path, value):
    """Return a change that sets the member at `path`."""

    def change(content):
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


def without(*path):
    def change(content):
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return change


LAYER = ("layer_list", 1)
DEVICE = (*LAYER, "device_list", 0)
WRONG = {
    "no layers": (without("layer_list"), "the file has no list layer_list"),
    "a missing layer": (without("layer_list", 1), "moe_layer_count is 2, and there are 1 layers"),
    "layers null": (of("layer_list", value=None), "the file has no list layer_list"),
    "a layer that is a number": (of(*LAYER, value=7), "the layer_ids of the file do not count up"),
    "a layer twice": (of(*LAYER, "layer_id", value=0), "the layer_ids of the file do not count up"),
    "a gap of layers": (of(*LAYER, "layer_id", value=5), "the layer_ids of the file do not count up"),
    "a huge layer": (of(*LAYER, "layer_id", value=10**30), "the layer_ids of the file do not count up"),
    "no devices": (without(*LAYER, "device_list"), "layer 1 has no list device_list"),
    "a missing device": (without(*DEVICE), "device_count of layer 1 is 2, and it has 1 devices"),
    "a wrong count": (
        of(*LAYER, "device_count", value=9),
        "device_count of layer 1 is 9, and it has 2 devices",
    ),
    "a device twice": (of(*DEVICE, "device_id", value=1), "the device_ids of layer 1 do not count up"),
    "no experts": (without(*DEVICE, "device_expert"), "device 0 of layer 1 has no list device_expert"),
    "experts text": (
        of(*DEVICE, "device_expert", value="0,1"),
        "device 0 of layer 1 has no list device_expert",
    ),
    "an expert below 0": (
        of(*DEVICE, "device_expert", value=[0, -1]),
        "device 0 of layer 1 has an expert that",
    ),
    "a huge expert": (
        of(*DEVICE, "device_expert", value=[0, 10**20]),
        "device 0 of layer 1 has an expert that",
    ),
    "a fraction": (of(*DEVICE, "device_expert", value=[0, 1.5]), "device 0 of layer 1 has an expert that"),
    "true": (of(*DEVICE, "device_expert", value=[0, True]), "device 0 of layer 1 has an expert that"),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_malformed_placement_gets_its_sentence(tmp_path, name):
    change, sentence = WRONG[name]
    path = file(tmp_path, broken(change))
    with pytest.raises(Unreadable) as raised:
        read_placement(path)
    assert str(raised.value).startswith(f"expert_map.json is no placement of experts ({sentence}")
    with pytest.raises(Unreadable):
        open_profile(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "it is no JSON"),
        ("{", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ("[]", "the file has no list layer_list"),
        ("[[1, 2], 7]", "its layers are no lists of the experts of slots"),
        ("[[0, 1], [2, [3]]]", "its layers are no lists of the experts of slots"),
        ("[[421, 100, 269]]", "it names experts beyond its 3 slots of a layer"),
        ("[[0, 1.5]]", "layer 0 has an expert that is no whole number"),
        ('{"physical_to_logical_map": [[-1, -1]]}', "it places no expert"),
        ('{"logical_count": [[4, 9]]}', "it holds token counts"),
        ('{"layer_list": [], "moe_layer_count": 0}', "it has no layers"),
        (placement_of([[[], []]]), "it places no expert"),
        (placement_of([[[0], [1]], [[0]]]), "its layers have different numbers of devices"),
        ('{"layer_list": [{"device_list": ["\x1b[31m"]}], "moe_layer_count": "\x1b[31m"}', "it is no JSON"),
    ],
    ids=range(14),
)
def test_other_files_are_refused_too(tmp_path, content, sentence):
    with pytest.raises(Unreadable) as raised:
        read_placement(file(tmp_path, content))
    assert sentence in str(raised.value)
    assert "\x1b" not in str(raised.value)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(Unreadable, match=r"expert_map\.json is no placement"):
        read_placement(tmp_path / "expert_map.json")
    (tmp_path / "expert_map.json").mkdir()
    with pytest.raises(Unreadable):
        read_placement(tmp_path / "expert_map.json")


def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "expert_map.json")
    with pytest.raises(Unreadable):
        read_placement(tmp_path / "expert_map.json")


@pytest.mark.parametrize("name", ["decode_global_deployment.json", "anything.json"])
def test_a_placement_file_opens_by_itself(tmp_path, name):
    path = file(tmp_path, placement_of(SAMPLE), name)
    opened = open_profile(path)
    assert opened.placement.experts.tolist() == SAMPLE
    frame = opened.load("placements").frame
    assert frame.filter(expert=7).select("instance", "period", "layer", "rank", "slot").rows() == [
        (name, 0, 0, 0, 0),
        (name, 0, 0, 1, 3),
    ]
    assert frame.height == 10
    assert opened.load("expert_heat").frame.is_empty()
    assert {one.reason for one in opened.missing()} == {
        "only a placement of experts is here, no load and no parsed output"
    }


def test_it_names_the_experts_of_loads_without_routing_tables(tmp_path):
    """Static EPLB writes none."""
    marks = [mark for mark in marks_of(0, ((1, 2),)) if "expert_hot" in mark.fields]
    others = [mark for mark in marks_of(1, ((1, 2),)) if "expert_hot" in mark.fields]
    for rank, one in enumerate((marks, others)):
        write_raw(tmp_path / "raw", "server-d0-worker-0", 100 + rank, one)
    placed = [[[0, 1], [2, 0]], [[2, 1], [0, 0]]]
    path = file(tmp_path, placement_of(placed))
    opened = open_profile(tmp_path / "raw", placement=path)
    (series,) = opened.load_expert_series().series
    assert series.placements[0].tolist() == np.array(placed).reshape(2, 4).tolist()
    assert series.experts == 3
    cells = opened.load("expert_heat").frame.filter(view="model_expert", layer=0).sort("column")
    assert cells["tokens"].to_list() == [2 + 2, 2, 4]


def test_routing_tables_come_before_a_placement_file(tmp_path):
    write_raw(
        tmp_path / "raw", "server-d0-worker-0", 100, [RawMark(m.time_ns, m.fields) for m in marks_of(0)]
    )
    path = file(tmp_path, placement_of(SAMPLE))
    opened = open_profile(tmp_path / "raw", placement=path)
    assert opened.load_expert_series().series[0].placements[0].tolist() == [[0, 1], [3, 2]]
    assert "other layers" not in sentences(opened.load("expert_heat").notes)
    assert opened.placement is not None


def test_a_wrong_one_given_with_an_option_is_refused_at_once(tmp_path):
    write(tmp_path / "output", Service("node-a", 10, (11,), 0, 0, (1, 2, 3)))
    with pytest.raises(Unreadable, match="is no placement of experts"):
        open_profile(tmp_path / "output", placement=tmp_path / "output" / "batch.csv")


CASES = Path(__file__).parents[1] / "data" / "expert_files"


def lists_in(name):
    """Return [layer][device][slot] of a placement of the cases, by its order alone."""
    content = json.loads((CASES / name).read_text())
    if isinstance(content, list):
        return content
    return [[device["device_expert"] for device in layer["device_list"]] for layer in content["layer_list"]]


ORDERED = ("p_nocount.json", "v_noids.json", "v_firstdevcount.json", "v_nodevcount.json", "p_list.json")


@pytest.mark.parametrize("name", ORDERED)
def test_where_ids_and_counts_are_absent_the_order_counts(name):
    assert read_placement(CASES / name).experts.tolist() == lists_in(name)


def test_some_ids_alone_are_not_guessed_at(tmp_path):
    content = placement_of([[[0], [1]], [[1], [0]]])
    del content["layer_list"][0]["layer_id"]
    with pytest.raises(Unreadable, match="the layer_ids of the file do not count up"):
        read_placement(file(tmp_path, content))


MAP = [[0, 1, 2, 3, 0, 1], [3, 2, 1, 0, 3, 2]]


@pytest.mark.parametrize(
    "content",
    [
        {"physical_to_logical_map": MAP},
        MAP,
        # vLLM's file of several models
        {"version": 2, "model_maps": {"m": {"num_moe_layers": 2, "physical_to_logical_map": MAP}}},
        {"rank": 0, "records": [], "last_physical_to_logical_map": MAP},
        {"physical_to_logical_map": MAP, "ep_size": 4},  # 6 slots do not divide by it
    ],
)
def test_a_map_of_slots_tells_no_ranks(tmp_path, content):
    found = read_placement(file(tmp_path, content))
    assert not found.has_ranks
    assert found.experts.tolist() == [[layer] for layer in MAP]
    assert found.over(3).tolist() == [[row[:2], row[2:4], row[4:]] for row in MAP]
    assert found.over(4) is None


@pytest.mark.parametrize(
    "content",
    [
        {"physical_to_logical_map": MAP, "ep_size": 3},
        {"ep_size": 3, "maps": {"first": {"physical_to_logical_map": MAP}}},
        {"physical_to_logical_map": [[row[:2], row[2:4], row[4:]] for row in MAP]},
    ],
)
def test_ranks_named_in_the_file_are_taken(tmp_path, content):
    found = read_placement(file(tmp_path, content))
    assert found.has_ranks
    assert found.experts.tolist() == [[row[:2], row[2:4], row[4:]] for row in MAP]


def test_an_array_of_numpy_is_a_placement_too(tmp_path):
    np.save(tmp_path / "map.npy", np.array(MAP, dtype=np.int16))
    assert read_placement(tmp_path / "map.npy").experts.tolist() == [[row] for row in MAP]
    np.save(tmp_path / "map.npy", np.tile(np.arange(16), (2, 1)))
    told = sentences(open_profile(tmp_path / "map.npy").load("expert_heat").notes)
    assert "names every expert from 0 to 15: a placement; give it with --placement" in told


def odd_in(opened):
    return [note.text for note in opened.load("placements").notes]


def independently(layers):
    """Return (twice on a rank, nowhere by layer, further copies by layer, slots) of [layer][device][slot]."""
    experts = set(range(64))
    twice = sum(count > 1 for devices in layers for device in devices for count in Counter(device).values())
    nowhere = [sorted(experts.difference(*map(set, devices))) for devices in layers]
    copies = [sum(map(len, devices)) - len(set(chain(*devices))) for devices in layers]
    return twice, nowhere, copies, {len(device) for devices in layers for device in devices}


@pytest.mark.parametrize(
    "name", ["p_dupe.json", "pl_dup.json", "p_miss.json", "p_ragged.json", "v_noids.json", "p_nocount.json"]
)
def test_what_is_odd_in_a_placement_is_said(name):
    twice, nowhere, copies, slots = independently(lists_in(name))
    opened = open_profile(CASES / name)
    said = odd_in(opened)
    text = " ".join(said)
    few, most = min(copies), max(copies)
    count = str(most) if few == most else f"{few} to {most}"
    assert f"4 layers × 8 ranks × {max(slots)} slots, 64 experts; {count} slots of a layer" in said[0]
    assert (f"twice on one rank, where a copy takes no load off it ({twice} ×)" in text) == (twice > 0)
    if len({tuple(row) for row in nowhere}) == 1:
        assert (f"No slot of any layer holds expert {', '.join(map(str, nowhere[0]))}:" in text) == bool(
            nowhere[0]
        )
    else:
        where = "; ".join(f"layer {layer}: {row[0]}" for layer, row in enumerate(nowhere) if row)
        assert f"experts lie nowhere ({where})" in text
    assert ("unequal numbers of slots, 8 to 9" in text) == (len(slots) > 1)
    frame = opened.load("placements").frame
    assert frame.height == sum(len(device) for devices in lists_in(name) for device in devices)


def test_an_even_placement_has_nothing_odd(tmp_path):
    path = file(tmp_path, placement_of([[[0, 1], [2, 3]], [[3, 1], [2, 0]]]))
    assert odd_in(open_profile(path)) == [
        "2 layers × 2 ranks × 2 slots, 4 experts; no expert has a second copy."
    ]


def test_the_number_of_experts_that_a_file_names_counts(tmp_path):
    path = file(tmp_path, {"physical_to_logical_map": [[0, 1, 2, 0]], "num_logical_experts": 5})
    assert "No slot of any layer holds expert 3, 4:" in " ".join(odd_in(open_profile(path)))


def test_odd_placements_of_dumps_are_said_as_well(tmp_path):
    counts = [[[3, 4]], [[5, 6]]]
    write_dump(tmp_path, "decode", {rank: [rows] for rank, rows in enumerate(counts)}, dump_config(1, 4))
    config = dump_config(1, 4, eplb_expert_map_file="/x/expert_map.json")
    (tmp_path / "decode" / "model_gen_config.json").write_text(json.dumps(config))
    file(tmp_path / "decode", placement_of([[[0, 0], [1, 3]]]))
    text = sentences(open_profile(tmp_path).load("expert_heat").notes)
    assert "twice on one rank, where a copy takes no load off it (1 ×): expert 0 in layer 0 on rank 0" in text
    assert "No slot of any layer holds expert 2:" in text


def test_the_overview_shows_a_placement_alone():
    known = overview(open_profile(CASES / "p_miss.json"))
    (line,) = [line for line in known.lines if line.key == "ep.placement"]
    copies = Counter(chain.from_iterable(chain.from_iterable(lists_in("p_miss.json"))))
    assert line.values == tuple(copies[expert] / 4 for expert in range(64))
    assert [(e.instance, e.layers, e.ranks, e.slots_per_rank, e.experts) for e in known.experts] == [
        ("p_miss.json", 4, 8, 9, 64)
    ]
    (load,) = [line for line in known.lines if line.key == "ep.rank_load"]
    assert load.absent == "a placement tells where experts lie, not their load"
    flat = overview(open_profile(CASES / "p_sglang.json"))
    assert [(e.ranks, e.slots_per_rank, e.experts) for e in flat.experts] == [(None, 72, 64)]


@pytest.mark.parametrize("ranks", [2, None])
def test_a_map_of_slots_names_the_experts_of_loads_whose_ranks_are_known(tmp_path, ranks):
    for rank in range(2):
        one = [mark for mark in marks_of(rank, ((1, 2),)) if "expert_hot" in mark.fields]
        write_raw(tmp_path / "raw", "server-d0-worker-0", 100 + rank, one)
    flat = [[0, 1, 2, 0], [2, 1, 0, 0]]
    content = {"physical_to_logical_map": flat} | ({"ep_size": ranks} if ranks else {})
    opened = open_profile(tmp_path / "raw", placement=file(tmp_path, content))
    (series,) = opened.load_expert_series().series
    assert series.placements[0].tolist() == flat
