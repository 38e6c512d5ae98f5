"""Profiles of every reader and engine, each written into a folder when asked for."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

from tests.sources.engines import FORMATS, output_of, raw_of
from tests.sources.recorded import DATA, lay_out

DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"
ENGINES = ("vllm_v1_dp2", "vllm_pd_even", "sglang_dp2", "sglang_tp2", "mindie_pd_even")
_CASES = (
    "dead_domain",
    "idle_domain",
    "mindie_pd_plain_hosts",
    "sglang_decode_node",
    "sglang_dp2",
    "two_domains_stuck",
    "vllm014_ttft",
    "vllm_pd_two_hosts",
)


def unpacked(name: str, folder: Path) -> Path:
    """Write the files of a folder below tests/data into `folder`; return it."""
    for path in (DATA / name).iterdir():
        packed = path.suffix == ".gz"
        content = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
        (folder / path.name.removesuffix(".gz")).write_bytes(content)
    return folder


def _folder(name: str) -> Callable[[Path], Path]:
    return lambda folder: unpacked(name, folder)


def _files(*names: str) -> Callable[[Path], Path]:
    return lambda folder: lay_out(folder, *names)


def engine(run: str, source: str) -> Callable[[Path], Path]:
    return lambda folder: raw_of(run, folder) if source == "raw" else output_of(run, source, folder)


SAMPLES: dict[str, Callable[[Path], Path]] = {
    **{name: _folder(name) for name in ("csv_only", "even_small", "db_only", "pd_ep", "vllm_small")},
    **{f"cases/{name}": _folder(f"cases/{name}") for name in _CASES},
    "old_versions/cann83": _folder("old_versions/cann83"),
    "linked_ids": _folder("linked_ids"),
    "trace of mindie_small": _files("chrome_mindie_small.json"),
    "trace of vllm_small": _files("chrome_vllm_small_cut.json"),
    **{f"{run} {source}": engine(run, source) for run in ENGINES for source in (*FORMATS, "raw")},
    "vllm_spec raw": engine("vllm_spec", "raw"),
    "vllm_v0 raw": engine("vllm_v0", "raw"),
    "demo": lambda _folder: DEMO,
}
