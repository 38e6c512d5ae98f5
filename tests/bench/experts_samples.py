"""Compare the expert heat of whole recorded runs: raw profile, profiler.db, trace, and what upstream drew.

    python -m tests.bench.experts_samples SAMPLES

SAMPLES holds raw/pd_ep, out/pd_ep and truth (not part of this repository; a cut of them is, and is tested).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np

from lbtui.profile import ExpertSeries, Profile
from lbtui.sources import open_profile

_VIEWS = ("by_rank", "by_expert", "by_model_expert")


def differences(raw: Path) -> np.ndarray:
    """Return [iteration, layer, column] as the differences of the raw rows, by sqlite3 and json alone."""
    columns = {}
    for path in raw.rglob("ms_service_*.db"):
        rows, before, rank = [], 0, None
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as db:
            query = "SELECT message FROM Mstx WHERE message LIKE '%eplb_observe%' ORDER BY markId"
            for (message,) in db.execute(query) if _has_messages(db) else ():
                fields = json.loads(message)
                rank = fields["rank"]
                if "expert_routing" in fields:
                    before = 0
                else:
                    counts = np.array(fields["expert_hot"])
                    rows.append(counts - before)
                    before = counts
        if rows:
            columns[rank] = np.stack(rows)
    return np.concatenate([columns[rank] for rank in sorted(columns)], axis=2)


def _has_messages(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT 1 FROM sqlite_master WHERE name = 'Mstx'").fetchone())


def series_of(profile: Profile) -> ExpertSeries:
    """Return the only series of a profile."""
    (series,) = profile.load_expert_series().series
    return series


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", type=Path)
    samples: Path = parser.parse_args().samples
    profiles = {"raw": open_profile(samples / "raw" / "pd_ep")}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("profiler.db", "chrome_tracing.json"):
            place = Path(folder) / name
            place.mkdir()
            shutil.copy(samples / "out" / "pd_ep" / name, place)
            profiles[name] = open_profile(place)
        expected = differences(samples / "raw" / "pd_ep")
        for name, profile in profiles.items():
            tokens = series_of(profile).tokens
            same = np.array_equal(tokens, expected)
            print(f"{name}: tokens {tokens.shape} equal the raw rows' differences: {same}")
            heat = profile.load("expert_heat").frame
            worst = 0.0
            for period in range(3):
                for view in _VIEWS:
                    truth = np.load(samples / "truth" / f"pd_ep_p{period}_{view}.npy")
                    cells = heat.filter(view=view.removeprefix("by_"), period=period).sort("layer", "column")
                    worst = max(worst, np.abs(cells["share"].to_numpy().reshape(truth.shape) - truth).max())
            print(f"{name}: largest difference of a share from what upstream drew: {worst:.1e}")
    beside = open_profile(samples / "out" / "pd_ep", samples / "raw" / "pd_ep")
    notes = [note.text for note in beside.load("expert_heat").notes]
    print(f"notes of the raw profile beside the pictures: {notes}")


if __name__ == "__main__":
    main()
