"""Let coverage lead the fuzzer through the readers that are ours: res_list, JSON, PNG, traces, thresholds.

    pip install atheris && python -m tests.bench.guided TARGET [--seconds 300]

TARGET is one of the names in `TARGETS`. Anything but the reader's own refusal ends the run with the input
that did it; a run that ends by itself found nothing. CSV and SQLite are read by polars' and SQLite's native
code, which this cannot see into: `tests.bench.fuzz` covers them.
"""

import argparse
import gzip
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import atheris
import numpy as np
from PIL import Image

with atheris.instrument_imports(include=["lbtui"]):
    from lbtui.config import BadConfig, from_file
    from lbtui.profile import Silent, Unreadable
    from lbtui.sources import open_profile
    from lbtui.sources.heat_png.reader import read as read_picture
    from lbtui.sources.res_list import parse_res_list
    from lbtui.sources.trace.json_stream import ElementReader
    from lbtui.text import visible

DATA = Path(__file__).parents[1] / "data"
REAL = next(DATA.glob("pd_ep_png/**/*by_rank.png"))
PIXELS = np.asarray(Image.open(REAL).convert("RGBA"))
FRAMES = ("steps", "batches", "kv", "queues", "nodes", "requests", "transfers", "handoffs", "expert_heat")


def res_list(data: bytes, _folder: Path) -> None:
    """Parse a cell; what comes out of it must be showable."""
    for request in parse_res_list(data.decode("utf-8", "surrogateescape")).requests:
        assert visible(str(request.request_id)).isprintable()


def json(data: bytes, folder: Path) -> None:
    """Read a list in small windows, so that every cut is tried."""
    path = folder / "chrome_tracing.json"
    path.write_bytes(data)
    with suppress(Unreadable):
        for _offset, _value in ElementReader(path, Silent(), chunk=7, largest=500):
            pass


def trace(data: bytes, folder: Path) -> None:
    """Open a folder of nothing but a trace and load all that a trace can give."""
    (folder / "chrome_tracing.json").write_bytes(data)
    with suppress(Unreadable):
        profile = open_profile(folder)
        for frame in FRAMES:
            profile.load(frame)


def picture(data: bytes, folder: Path) -> None:
    """Read numbers back from a real picture that is painted over: every 8 bytes are a rectangle.

    Bytes changed in the file itself would only break its checksums.
    """
    pixels = PIXELS.copy()
    height, width = pixels.shape[:2]
    for at in range(0, min(len(data), 400) - 7, 8):
        x, y = data[at] * width // 255, data[at + 1] * height // 255
        right, bottom = x + data[at + 2] * width // 255, y + data[at + 3] * height // 255
        pixels[y:bottom, x:right] = list(data[at + 4 : at + 8])
    path = folder / REAL.name
    Image.fromarray(pixels).save(path, compress_level=0)
    with suppress(Unreadable):
        read_picture(path)


def thresholds(data: bytes, folder: Path) -> None:
    """Read a thresholds file."""
    path = folder / "thresholds.toml"
    path.write_bytes(data)
    with suppress(BadConfig):
        from_file(path)


def _traces() -> list[bytes]:
    """Return the beginnings of real traces, closed again, so that a mutation stays a list."""
    heads = [gzip.decompress(path.read_bytes())[:20_000] for path in DATA.glob("chrome_*.json.gz")]
    return [head[: head.rfind(b"},") + 1] + b"]" for head in heads]


TARGETS: dict[str, tuple[Callable[[bytes, Path], None], Callable[[], list[bytes]]]] = {
    "res_list": (res_list, lambda: [b"[{'rid': '1', 'iter': 0, 'num_scheduled_tokens=': 391}]"]),
    "json": (json, lambda: [b'{"a": 1, "traceEvents": [{"ph": "X", "ts": 1.5e3, "args": {}}, null]}']),
    "trace": (trace, _traces),
    "picture": (picture, lambda: [bytes(8)]),
    "thresholds": (thresholds, lambda: [b"[thresholds]\nclock_skew_ms = 5.0\n"]),
}


def main() -> None:
    """Fuzz one target for a while."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=300)
    options = parser.parse_args()
    read, seeds = TARGETS[options.target]
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as root:
        corpus, place = Path(root) / "corpus", Path(root) / "place"
        corpus.mkdir()
        place.mkdir()
        for number, seed in enumerate(seeds()):
            (corpus / str(number)).write_bytes(seed)
        limits = [f"-max_total_time={options.seconds}", "-timeout=10", "-rss_limit_mb=8192", "-max_len=40000"]
        atheris.Setup([sys.argv[0], *limits, str(corpus)], lambda data: read(data, place))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
