"""How fast a process writes to a database in WAL mode with a reader beside it, and how often it is busy.

`python -m tests.bench.beside_writer [SECONDS]`: five pairs, alone and read twice a second, which is more than
`--watch` does; the median of the ratios should be 0.95 or more.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import tempfile
import time
from pathlib import Path

from lbtui.sources.tables import database
from tests.sources.test_beside_a_writer import write_until_told

_SPAWN = multiprocessing.get_context("spawn")
_PAIRS = 5
_BETWEEN = 0.5  # seconds


def rate(seconds: float, read: bool) -> tuple[float, int, int]:
    """Return the rows written a second, how often the writer was busy, and how often it was read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ms_service_a-1.db"
        committed, go_on = _SPAWN.Array("q", 2), _SPAWN.Value("b", 1)
        process = _SPAWN.Process(target=write_until_told, args=(path, committed, go_on))
        process.start()
        while not committed[0]:
            time.sleep(0.01)
        first, begun, seen, times = committed[0], time.monotonic(), 0, 0
        while time.monotonic() - begun < seconds:
            if read:
                with database.connect(path) as opened:
                    last = opened.connection.execute("SELECT max(rowid) FROM t").fetchone()[0]
                    opened.connection.execute("SELECT count(told) FROM t WHERE rowid > ?", (seen,)).fetchone()
                seen, times = last, times + 1
            time.sleep(_BETWEEN)
        written = (committed[0] - first) / (time.monotonic() - begun)
        go_on.value = 0
        process.join()
        return written, committed[1], times


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    ratios = []
    for pair in range(_PAIRS):
        order = (False, True) if pair % 2 else (True, False)
        found = {read: rate(seconds, read) for read in order}
        ratios.append(found[True][0] / found[False][0])
        print(
            f"alone {found[False][0]:,.0f} rows/s, read {found[True][2]} times {found[True][0]:,.0f} rows/s, "
            f"ratio {ratios[-1]:.3f}, busy {found[True][1]}"
        )
    print(f"median ratio {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
