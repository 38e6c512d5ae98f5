"""Compare every frame of a raw profile with that of outputs that the parser made of it: one table.

    python -m tests.bench.raw_and_parsed RAW OUTPUT [OUTPUT …]        one profile and outputs of it
    python -m tests.bench.raw_and_parsed --all RAWS OUTPUTS [NAME …]  RAWS/<name>, and those in OUTPUTS/<name>

A row of the table is a frame of an output: how many rows the raw profile and the output yield, and where
they differ beyond the precision of the parser's files (`frame_rows`), with the fault of the parser that
explains it (`parser_faults`), or UNEXPLAINED. The last row of a profile holds the raw profile to what plain
loops count in its databases (`engine_truth`). The exit code is 1 if anything is unexplained or wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lbtui.profile import Loaded, Profile
from lbtui.sources import open_profile
from lbtui.sources.events import READERS
from tests.bench.engine_cells import compared, format_of, shown_of
from tests.bench.engine_truth import Truth, read_processes, read_truth
from tests.bench.frame_rows import SHAPES, differences
from tests.bench.parser_faults import PICTURES, Place, Trait, fault_of, traits_of


class Row(NamedTuple):
    """One row of the table."""

    pair: str
    frame: str
    raw: int  # rows
    parsed: int
    equal: str
    differs: str
    why: str


def rows_of(
    name: str, truth: Truth, raw: Profile, outputs: Sequence[Path], traits: frozenset[Trait] = frozenset()
) -> Iterator[Row]:
    """Yield what differs between the frames of a raw profile and of outputs, and why."""
    frames = {frame: raw.load(frame) for frame in SHAPES}
    for output in outputs:
        profile = open_profile(output)
        for frame, ours in frames.items():
            theirs = profile.load(frame)
            if ours.frame.is_empty() and theirs.frame.is_empty():
                continue
            reader = _reader(theirs)
            cut = reader == PICTURES if frame == "expert_heat" else reader not in READERS
            place = Place(truth.engine, frame, reader, _are_whole_seconds(theirs), traits)
            found = differences(frame, ours.frame, theirs.frame, cut=cut)
            told: dict[str, list[str]] = {}
            for one in found:
                fault = fault_of(one, place)
                what = f"{one.column or 'rows'} {one.kind}: {one.rows}"
                why = "UNEXPLAINED" if fault is None else fault
                told.setdefault(why, []).append(what if fault else f"{what} ({one.example})")
            pair = (f"{name} {output.name}", frame, ours.frame.height, theirs.frame.height)
            if not told:
                yield Row(*pair, "yes", "", "")
            for why, what in told.items():
                yield Row(*pair, "no", ", ".join(what), why)


def _reader(loaded: Loaded) -> str:
    return loaded.provenance[0].reader if loaded.provenance else ""


def _are_whole_seconds(loaded: Loaded) -> bool:
    frame = loaded.frame
    return "time" in frame.columns and frame.height > 1 and not (frame["time"].dt.microsecond() != 0).any()


def _against_truth(name: str, raw: Path, truth: Truth) -> Iterator[Row]:
    """Yield what of a raw profile is not as its databases record it."""
    rows = list(compared(name, truth, [(format_of(raw), shown_of(raw))]))
    wrong = [f"{row.subject} {row.quantity} {row.truth}: {row.cells[0]}" for row in rows if row.wrong]
    equal, why = ("yes", "") if not wrong else ("no", "UNEXPLAINED")
    yield Row(f"{name} truth", "quantities", len(rows), len(rows), equal, "; ".join(wrong), why)


def main() -> int:
    """Print the table; return 1 if something is unexplained."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--all", action="store_true", help="RAW and OUTPUT hold a folder for each profile")
    parser.add_argument("--differing", action="store_true", help="print only frames that differ")
    parser.add_argument("raw", type=Path)
    parser.add_argument("outputs", type=Path, nargs="+")
    asked = parser.parse_args()
    pairs = [(asked.raw.name, asked.raw, asked.outputs)]
    if asked.all:
        below, *names = asked.outputs
        pairs = [
            (name, asked.raw / name, sorted(path for path in (below / name).iterdir() if path.is_dir()))
            for name in [str(name) for name in names] or sorted(path.name for path in below.iterdir())
        ]
    print("| pair | frame | raw | parsed | equal | differs | why |")
    print("|" + " --- |" * 7)
    frames = unexplained = 0
    for name, raw, outputs in pairs:
        truth, traits = read_truth(raw), traits_of(read_processes(raw))
        rows = rows_of(name, truth, open_profile(raw), outputs, traits)
        for row in (*rows, *_against_truth(name, raw, truth)):
            frames += 1
            unexplained += row.why == "UNEXPLAINED"
            if row.why or not asked.differing:
                print(f"| {' | '.join(map(str, row))} |", flush=True)
    print(f"\n{frames} rows, {unexplained} unexplained")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
