"""How soon what is recorded is on screen, and what watching it costs.

`python -m tests.bench.live_raw RAW_DIR [EVENTS_A_SECOND [SECONDS [BEGUN [KEYS]]]]`: replays a recording into
growing databases, from the share BEGUN of it on, as if it were recorded now at that rate; opens them with
`--watch` in a pseudo-terminal and presses KEYS. Prints how old the last event on screen was by what line 1
says, in whole seconds, each time that it said so, and the share of a core that lbtui takes.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pyte

from tests.tools.replay import Replay, times_of
from tests.tools.terminal import Terminal

_WRITES = 10  # a second
_AGE = re.compile(r"last event (\d+ \w+) (ago|ahead)")
_COLUMNS, _ROWS = 140, 40
_STARTING = 15.0  # s until lbtui is there
_SETTLED = 5.0  # s until what is told counts


def main() -> None:
    """Print what the module says."""
    recorded = Path(sys.argv[1])
    given = [*sys.argv[2:], *("5000", "60", "0.05", "2")[len(sys.argv) - 2 :]]
    rate, seconds, share, keys = float(given[0]), float(given[1]), float(given[2]), given[3]
    first, last = times_of(recorded)
    at_first = first + int(share * (last - first))
    with tempfile.TemporaryDirectory() as folder:
        begun = time.time_ns() + int(_STARTING * 1e9)
        speed = 1.0

        def now(recorded_ns: int) -> int:
            return begun + int((recorded_ns - at_first) / speed)

        replay = Replay(recorded, Path(folder), now)
        speed = rate / (replay.total / ((last - first) / 1e9))
        there = replay.until(at_first)
        print(f"{there:,} of {replay.total:,} records are there at first; {speed:.2f} s of it in a second")
        screen = pyte.Screen(_COLUMNS, _ROWS)
        stream = pyte.ByteStream(screen)
        ages: Counter[str] = Counter()
        command = [sys.executable, "-m", "lbtui", folder, "--watch"]
        with Terminal(command, _COLUMNS, _ROWS, {"LBTUI_LANG": "en"}) as terminal:
            said, used, pressed, written = "", 0, False, 0
            while (at := time.time_ns() - begun) < seconds * 1e9:
                written += replay.until(at_first + int(at * speed))
                if at >= 0 and not pressed:
                    pressed, used = True, terminal.used()
                    terminal.press(keys)
                until = time.monotonic() + 1 / _WRITES
                while (left := until - time.monotonic()) > 0:
                    if not (data := terminal.read(left)):
                        continue
                    stream.feed(data)
                    found = _AGE.search(" ".join(screen.display[:2]))
                    if at > _SETTLED * 1e9 and found and found[0] != said:
                        said = found[0]
                        ages[said] += 1
            share_of_core = (terminal.used() - used) / 100 / seconds
        replay.close()
    for said, count in sorted(ages.items()):
        print(f"{count:4} times: {said}")
    print(f"{written / seconds:,.0f} events/s for {seconds:.0f} s: {share_of_core:.0%} of a core")


if __name__ == "__main__":
    main()
