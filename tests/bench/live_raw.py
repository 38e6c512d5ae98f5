"""How soon what is recorded is on screen, and what watching it costs.

`python -m tests.bench.live_raw RAW_DIR [EVENTS_A_SECOND [SECONDS]]`: replays a recording into growing
databases and reads it again and again as `--watch` does; prints how long each reading of what DP shows took,
and the share of a core that all takes.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path

from lbtui.ui.opening import Asked
from lbtui.ui.watching import PERIOD, Watch, look
from tests.tools.replay import Replay

_WRITES = 10  # a second


def main() -> None:
    recorded = Path(sys.argv[1])
    rate, seconds = (float(given) for given in [*sys.argv[2:4], "5000", "30"][:2])
    with tempfile.TemporaryDirectory() as folder:
        replay = Replay(recorded, Path(folder))
        each = rate / _WRITES / replay.total
        replay.to(each)
        begun = time.monotonic()

        def write() -> None:
            number = 1
            while (now := time.monotonic() - begun) < seconds:
                number = max(number + 1, int(now * _WRITES))
                replay.to(min(1.0, each * number))
                time.sleep(max(0.0, begun + number / _WRITES - time.monotonic()))

        # SQLite's connections are of the thread that made them.
        watch, found, spent = Watch(), None, 0.0
        watch.toggle()
        results: list[str] = []

        def read() -> None:
            nonlocal found, spent
            while time.monotonic() - begun < seconds:
                watch.begin()
                at, used = time.monotonic(), time.thread_time()
                found = look(Asked(Path(folder)), watch.shown, watch.before)
                if found.profile is not None:
                    found.profile.load("batches")
                    found.profile.load_domain_steps()
                took = time.monotonic() - at
                spent += time.thread_time() - used
                watch.take(found)
                results.append(f"{at - begun:6.1f} s: read in {took:.2f} s")
                time.sleep(min(watch.pause(), max(0.0, seconds - (time.monotonic() - begun))))

        cpu = time.process_time()
        reader = threading.Thread(target=read)
        reader.start()
        write()
        reader.join()
        cpu = time.process_time() - cpu
        print("\n".join(results))
        print(
            f"{rate:,.0f} events/s for {seconds:.0f} s, looks at least {PERIOD:.0f} s apart: "
            f"{cpu / seconds:.0%} of a core, the writing with it; the thread that reads {spent / seconds:.0%}"
        )
        replay.close()


if __name__ == "__main__":
    main()
