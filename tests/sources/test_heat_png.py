"""Expert heat read back out of upstream's PNGs, against the matrices they were drawn from."""

from __future__ import annotations

import contextlib
import shutil
import struct
import subprocess
import sys
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from lbtui.profile import Unreadable
from lbtui.sources.heat_png import HeatName, parse_heat_name, read_heat_map
from tests.sources.heat_images import Drawn, draw, file_name, skewed_counts

DATA = Path(__file__).parents[1] / "data"
MAPS = sorted((DATA / "pd_ep_png").glob("*.png"))
FILE = file_name()


def truth_of(path: Path) -> np.ndarray:
    name = parse_heat_name(path.name)
    assert name is not None
    return np.load(DATA / "truth" / f"pd_ep_p{name.period}_by_{name.view}.npy")


def assert_read_back(drawn: Drawn) -> None:
    heat = read_heat_map(drawn.path)
    span = drawn.vmax - drawn.vmin
    assert heat.note is None
    assert heat.shares is not None
    assert heat.shares.shape == drawn.shares.shape
    assert np.abs(heat.shares - drawn.shares).max() <= 1.3 / 256 * span
    assert abs(heat.vmin - drawn.vmin) <= 0.001 * span
    assert abs(heat.vmax - drawn.vmax) <= 0.001 * span


# --- names


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (
            "mindie-server-d0_eplb_2_summed_hot_map_by_model_expert.png",
            HeatName("mindie-server-d0", 2, "model_expert"),
        ),
        ("a_eplb_1_eplb_10_summed_hot_map_by_rank.png", HeatName("a_eplb_1", 10, "rank")),
        ("主机_eplb_0_summed_hot_map_by_expert.png", HeatName("主机", 0, "expert")),
        ("_eplb_0_summed_hot_map_by_expert.png", None),
        ("a_eplb_-1_summed_hot_map_by_expert.png", None),
        ("a_eplb_12345678901_summed_hot_map_by_expert.png", None),
        ("a_eplb_٣_summed_hot_map_by_expert.png", None),
        ("a_eplb_0_summed_hot_map_by_node.png", None),
        ("a_eplb_0_summed_hot_map_by_rank.png\n", None),
        ("a_balance_ratio.png", None),
        ("ep_balance.png", None),
        ("", None),
    ],
)
def test_names(file: str, name: HeatName | None) -> None:
    assert parse_heat_name(file) == name


def test_names_need_no_image_library() -> None:
    code = "import sys, lbtui.sources.heat_png; print({'numpy', 'PIL'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"


# --- upstream's own maps


@pytest.mark.parametrize("path", MAPS, ids=lambda path: path.stem[-22:])
def test_real_maps(path: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copy(path, tmp_path))
    truth = truth_of(path)
    heat = read_heat_map(alone)
    assert heat.name == parse_heat_name(path.name)
    relative = (truth - truth.min()) / np.ptp(truth)
    assert np.abs(heat.relative - relative).max() <= 1.01 / 256
    assert_read_back(Drawn(alone, truth, truth.min(), truth.max(), 0, 0))


def test_nine_maps_are_there_and_fast() -> None:
    assert len(MAPS) == 9
    read_heat_map(MAPS[0])  # imports
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        for path in MAPS:
            read_heat_map(path)
        best = min(best, time.process_time() - start)
    assert best <= 1.5


# --- shapes the samples lack


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 2), (2, 1), (2, 2), (3, 5), (1, 8), (58, 16), (58, 64), (100, 20), (61, 320), (58, 640)],
)
def test_shapes(shape: tuple[int, int], tmp_path: Path) -> None:
    assert_read_back(draw(tmp_path, skewed_counts(*shape)))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    layers=st.integers(1, 40),
    columns=st.integers(1, 40),
    hot=st.sampled_from([1.0, 2.0, 8.0, 60.0]),
    seed=st.integers(0, 10_000),
)
@example(layers=40, columns=3, hot=1.0, seed=1)
def test_any_map(layers: int, columns: int, hot: float, seed: int, tmp_path: Path) -> None:
    assert_read_back(draw(tmp_path, skewed_counts(layers, columns, seed, hot)))


def test_most_experts_without_tokens(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    counts = rng.poisson(0.05, (30, 64)) * rng.gamma(4.0, 20.0, (30, 64))
    counts[:, 0] = 50
    drawn = draw(tmp_path, counts)
    assert (drawn.shares == 0).mean() > 0.9
    assert_read_back(drawn)


def test_equal_layers(tmp_path: Path) -> None:
    assert_read_back(draw(tmp_path, np.tile([[5.0, 7.0, 11.0]], (30, 1))))


def test_layer_without_tokens_has_no_shares(tmp_path: Path) -> None:
    counts = skewed_counts(12, 16)
    counts[3] = 0
    drawn = draw(tmp_path, counts)
    assert_read_back(drawn)
    heat = read_heat_map(drawn.path)
    assert (heat.shares.sum(axis=1) < 0.5).nonzero()[0].tolist() == [3]
    assert not heat.shares[3].any()


@pytest.mark.parametrize("shape", [(7, 16), (5, 1)])
def test_even_map(shape: tuple[int, int], tmp_path: Path) -> None:
    heat = read_heat_map(draw(tmp_path, np.full(shape, 10.0)).path)
    np.testing.assert_allclose(heat.shares, 1 / shape[1], rtol=1e-3)
    assert (heat.relative == 0.5).all()


def test_nearly_even_map_has_a_summand_above_its_bar(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    drawn = draw(tmp_path, 1e7 * (1 + 1e-5 * rng.random((4, 16))))
    assert drawn.vmax - drawn.vmin < 1e-6
    assert_read_back(drawn)


def test_title_among_the_labels(tmp_path: Path) -> None:
    title = "a-very-long-name-of-an-instance-in-some-namespace-d0 EPLB_Period_0 Summed Hot Map By Rank"
    drawn = draw(tmp_path, skewed_counts(1, 8), title=title)
    right_of_map = np.asarray(Image.open(drawn.path).convert("L"))[340:360, 645:]
    assert (right_of_map < 20).any(axis=0).sum() > 30
    assert_read_back(drawn)


# --- scales that cannot be verified


def edited(source: Path, folder: Path, change) -> Path:
    pixels = np.array(Image.open(source).convert("RGB"))
    change(pixels)
    path = folder / FILE
    Image.fromarray(pixels).save(path)
    return path


def assert_relative_only(path: Path, truth: np.ndarray) -> None:
    heat = read_heat_map(path)
    assert (heat.shares, heat.vmin, heat.vmax) == (None, None, None)
    assert heat.note is not None
    assert path.name in heat.note
    relative = (truth - truth.min()) / np.ptp(truth)
    assert np.abs(heat.relative - relative).max() <= 1.01 / 256


RANKS = DATA / "pd_ep_png" / "mindie-server-d0_eplb_0_summed_hot_map_by_rank.png"


def test_labels_gone(tmp_path: Path) -> None:
    def wipe(pixels: np.ndarray) -> None:
        pixels[:, 711:] = 255

    assert_relative_only(edited(RANKS, tmp_path, wipe), truth_of(RANKS))


def test_labels_of_another_scale(tmp_path: Path) -> None:
    def move(pixels: np.ndarray) -> None:
        # One label up: 0.12 beside the tick of 0.10, and so on.
        pixels[30:600, 711:] = pixels[176:746, 711:].copy()

    assert_relative_only(edited(RANKS, tmp_path, move), truth_of(RANKS))


def test_one_label_spoilt_is_left_out(tmp_path: Path) -> None:
    def blot(pixels: np.ndarray) -> None:
        pixels[272:283, 714:722] = 0

    heat = read_heat_map(edited(RANKS, tmp_path, blot))
    truth = truth_of(RANKS)
    assert abs(heat.vmax - truth.max()) <= 0.0015 * np.ptp(truth)


def test_layers_of_unequal_sum(tmp_path: Path) -> None:
    def heat_up(pixels: np.ndarray) -> None:
        # Layer 0 painted with the hottest colour.
        pixels[38:48, 439:630] = (253, 231, 36)

    heat = read_heat_map(edited(RANKS, tmp_path, heat_up))
    assert heat.shares is None
    assert "add up to the same" in heat.note


def test_map_without_any_tokens(tmp_path: Path) -> None:
    heat = read_heat_map(draw(tmp_path, np.zeros((4, 8))).path)
    assert heat.shares is None
    assert heat.note is not None


# --- the same picture, stored in other ways


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_stored_otherwise(mode: str, tmp_path: Path) -> None:
    path = tmp_path / FILE
    Image.open(RANKS).convert(mode).save(path)
    truth = truth_of(RANKS)
    assert_read_back(Drawn(path, truth, truth.min(), truth.max(), 0, 0))


def test_reduced_to_a_palette(tmp_path: Path) -> None:
    path = tmp_path / FILE
    Image.open(RANKS).convert("RGB").quantize(256).save(path, transparency=b"\xff\x80")
    truth = truth_of(RANKS)
    relative = (truth - truth.min()) / np.ptp(truth)
    assert np.abs(read_heat_map(path).relative - relative).max() <= 4 / 256


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG file made of (kind, content) chunks, with correct sums."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def sixteen_bit(pixels: np.ndarray) -> bytes:
    height, width, _ = pixels.shape
    wide = (pixels.astype(">u2") * 257).view(np.uint8).reshape(height, -1)
    lines = np.concatenate((np.zeros((height, 1), np.uint8), wide), axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return png((b"IHDR", header), (b"IDAT", zlib.compress(lines, 1)), (b"IEND", b""))


def interlaced(pixels: np.ndarray) -> bytes:
    lines = b""
    for x, y, dx, dy in (
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
    ):  # fmt: skip
        part = pixels[y::dy, x::dx].reshape(len(pixels[y::dy]), -1)
        lines += np.concatenate((np.zeros((len(part), 1), np.uint8), part), axis=1).tobytes()
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 1)
    return png((b"IHDR", header), (b"IDAT", zlib.compress(lines, 1)), (b"IEND", b""))


@pytest.mark.parametrize("encode", [sixteen_bit, interlaced])
def test_rarer_encodings(encode, tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(encode(np.asarray(Image.open(RANKS).convert("RGB"))))
    truth = truth_of(RANKS)
    assert_read_back(Drawn(path, truth, truth.min(), truth.max(), 0, 0))


# --- what is not such a map


@contextlib.contextmanager
def no_warnings():
    """Fail when a warning is given inside; recorded, since the reader might catch it as an error."""
    with warnings.catch_warnings(record=True) as given_warnings:
        warnings.simplefilter("always")
        yield
    assert given_warnings == []


def assert_refused(path: Path, word: str) -> None:
    with no_warnings(), pytest.raises(Unreadable) as refusal:
        read_heat_map(path)
    sentence = str(refusal.value)
    assert word in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_refuses_other_names(tmp_path: Path) -> None:
    assert_refused(Path(shutil.copy(RANKS, tmp_path / "ep_balance.png")), "not named like")


def test_refuses_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert_refused(tmp_path / FILE, "cannot be read")
    (tmp_path / FILE).mkdir()
    assert_refused(tmp_path / FILE, "cannot be read")


def test_names_reach_the_user_without_control_characters(tmp_path: Path) -> None:
    path = tmp_path / file_name(instance="a\x1b[31m\nb")
    path.write_bytes(b"")
    assert_refused(path, r"a\x1b[31m\nb_eplb")


HEADER = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "not a PNG"),
        (b"GIF89a" + bytes(100), "not a PNG"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "damaged"),
        (RANKS.read_bytes()[:40], "damaged"),
        (RANKS.read_bytes()[:9000], "damaged"),
        (png((b"IHDR", HEADER), (b"IEND", b"")), "damaged"),
        (png((b"IHDR", struct.pack(">IIBBBBB", 0, 8, 8, 2, 0, 0, 0)), (b"IEND", b"")), "damaged"),
        (png((b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 6, 0, 0, 0))), "pixels"),
        (png((b"IHDR", struct.pack(">IIBBBBB", 10_000, 10_000, 8, 6, 0, 0, 0))), "pixels"),
        # The second header declares the bomb, and Pillow would warn about it.
        (
            png(
                (b"IHDR", HEADER),
                (b"IHDR", struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)),
                (b"IDAT", zlib.compress(bytes(8 * 25))),
            ),
            "not an expert heat map",
        ),
        # Pillow warns about this animation chunk when it sees it.
        (
            png((b"IHDR", HEADER), (b"acTL", bytes(8)), (b"IDAT", zlib.compress(bytes(8 * 25)))),
            "not an expert heat map",
        ),
    ],
)  # fmt: skip
def test_refuses_broken_files(content: bytes, word: str, tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(content)
    assert_refused(path, word)


def other_picture(kind: str) -> Image.Image:
    pixels = np.array(Image.open(RANKS).convert("RGB"))
    noise = np.random.default_rng(1).integers(0, 256, pixels.shape, dtype=np.uint8)
    if kind == "grey":
        return Image.open(RANKS).convert("L")
    if kind == "grey16":
        return Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257)
    if kind == "white":
        return Image.new("RGBA", (800, 800), "white")
    if kind == "transparent":
        return Image.new("RGBA", (800, 800), (0, 0, 0, 0))
    if kind == "noise":
        return Image.fromarray(noise)
    if kind == "no bar":
        pixels[:, 650:] = 255
    elif kind == "no ticks":
        pixels[:, 400:437] = 255
    elif kind == "a tick too many":
        pixels[44, 430:437] = 0
    elif kind == "plain bar":
        pixels[40:730, 670:705] = (33, 145, 140)
    elif kind == "noise in cells":
        pixels[37:737, 439:631] = np.maximum(noise[37:737, 439:631], [200, 0, 0]).clip(None, [255, 99, 255])
    elif kind == "noise in bar":
        pixels[37:737, 670:705] = np.maximum(noise[37:737, 670:671], [200, 0, 0]).clip(None, [255, 99, 255])
    elif kind == "half a map":
        pixels[300:500, 439:540] = 255
    elif kind == "cut":
        pixels = pixels[40:600, 440:690]
    elif kind == "smaller":
        return Image.fromarray(pixels).resize((200, 200))
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    "kind",
    [
        "grey", "grey16", "white", "transparent", "noise", "no bar", "no ticks", "a tick too many",
        "plain bar", "noise in cells", "noise in bar", "half a map", "cut", "smaller",
    ],
)  # fmt: skip
def test_refuses_other_pictures(kind: str, tmp_path: Path) -> None:
    other_picture(kind).save(tmp_path / FILE)
    assert_refused(tmp_path / FILE, "not an expert heat map")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_never_surprises(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(RANKS.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / FILE
    path.write_bytes(bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))]))
    # Anything but Unreadable fails the test.
    with no_warnings(), contextlib.suppress(Unreadable):
        assert read_heat_map(path).relative.shape == (58, 16)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    patches=st.lists(
        st.tuples(
            st.tuples(st.integers(0, 799), st.integers(0, 799), st.integers(1, 300), st.integers(1, 300)),
            st.one_of(st.just("noise"), st.tuples(*[st.integers(0, 255)] * 3)),
        ),
        max_size=3,
    ),
    crop=st.tuples(st.integers(0, 60), st.integers(0, 800), st.integers(1, 800), st.integers(1, 800)),
)
# The map's text above the bar cut off: nothing is left to read there.
@example(patches=[], crop=(36, 0, 800, 800))
@example(patches=[], crop=(0, 0, 800, 710))
def test_other_pixels_never_surprise(patches, crop, tmp_path: Path) -> None:
    pixels = np.array(Image.open(RANKS).convert("RGB"))
    for (y, x, height, width), paint in patches:
        patch = pixels[y : y + height, x : x + width]
        patch[:] = np.random.default_rng(y).integers(0, 256, patch.shape) if paint == "noise" else paint
    top, left, height, width = crop
    path = tmp_path / FILE
    Image.fromarray(pixels[top : top + height, min(left, 799) :][:, :width]).save(path, compress_level=1)
    with no_warnings(), contextlib.suppress(Unreadable):
        heat = read_heat_map(path)
        assert (heat.shares is None) == (heat.note is not None)
        assert ((heat.relative >= 0) & (heat.relative <= 1)).all()
