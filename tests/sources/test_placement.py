"""Placement files of msit, MindIE and vllm-ascend: read back exactly, or refused with a sentence."""

import copy
import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.profile import UNPLACED, Unreadable
from lbtui.sources import open_profile
from lbtui.sources.placement import read_placement
from tests.sources.made import Service, write
from tests.sources.recorded import sentences
from tests.sources.test_raw_profile import marks_of
from tests.tools.expert_format import RawMark, placement_of, write_raw

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
    "no count": (without("moe_layer_count"), "moe_layer_count is None, and there are 2 layers"),
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
        ('{"layer_list": [], "moe_layer_count": 0}', "it has no layers"),
        (placement_of([[[], []]]), "it places no expert"),
        (placement_of([[[0], [1]], [[0]]]), "its layers have different numbers of devices"),
        ('{"layer_list": [{"device_list": ["\x1b[31m"]}], "moe_layer_count": "\x1b[31m"}', "it is no JSON"),
    ],
    ids=range(8),
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
    assert {one.reason for one in opened.missing()} == {"only expert loads are here, no parsed output"}


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
