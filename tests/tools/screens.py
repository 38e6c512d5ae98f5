"""Every screen of lbtui: what is opened, what is pressed, and what then stands there as text.

The goldens of `tests/ui/test_screens.py` and the pictures of `make_screenshots` are of these.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

from textual.pilot import Pilot
from textual.strip import Strip

import lbtui
from lbtui.render.capabilities import Capabilities
from lbtui.thresholds import Thresholds
from lbtui.ui.app import LbtuiApp
from lbtui.ui.opening import Asked
from tests.sources.engines import output_of, raw_of, unpacked
from tests.tools import make_tuned
from tests.tools.driving import resized, settled
from tests.tools.made_up_runs import stand_over

Size = tuple[int, int]
SIZES: tuple[Size, ...] = ((250, 70), (200, 50), (120, 32), (80, 24), (60, 20))
DEMO = Path(lbtui.__file__).parent / "demo" / "output"
TRACED = Path(__file__).parents[1] / "data" / "timeline" / "profiler.db.gz"
EVEN = Path(__file__).parents[1] / "data" / "even_small"
QUEUEING = Path(__file__).parents[1] / "data" / "csv_only"
MADE_UP = "runs"
PREFILLING = Path(__file__).parents[1] / "data" / "replay" / "pd_prefill.json.gz"


class Scene(NamedTuple):
    """A screen: the keys that lead to it, and what they are pressed in, a key of `folders`."""

    keys: tuple[str, ...]
    of: str = "demo"


# The request that runs before the longest bubble, and its first steps.
_FOLLOW = ("7", "n", "z", "minus", "h", "h", "h", "f", "n", "n", "n", "n", "n", "n", "n", "n")
_QUERY = "sql SELECT request_id, input_tokens, ttft, duration, arrival FROM requests ORDER BY request_id"
# The sixth night before the last as baseline, the last two marked.
_JUDGED = ("space", "down", "space", *["down"] * 6, "B", *["up"] * 6)
SCENES: dict[str, Scene] = {
    "overview": Scene(("1",)),
    "dp": Scene(("2",)),
    "dp-chart": Scene(("2", "c")),
    "dp-round": Scene(("2", "enter")),
    "dp-table": Scene(("2", "t", "down", "down")),
    "pd": Scene(("3",)),
    "pd-chart": Scene(("3", "c")),
    "pd-hand-offs": Scene(("3", "t")),
    "ep-rank": Scene(("4",)),
    "ep-expert": Scene(("4", "v")),
    "ep-model-expert": Scene(("4", "v", "v")),
    "ep-matmul": Scene(("4", "v", "v", "v")),
    "ep-fast-slow": Scene(("4", "v", "v", "v", "v")),
    "ep-time": Scene(("4", "v", "full_stop", "full_stop", "full_stop", "full_stop")),
    "what-if": Scene(("4", "w")),
    "what-if-routing": Scene(("2", "w", "down"), "routed"),
    "what-if-ratio": Scene(("3", "w"), "parted"),
    "requests": Scene(("5",)),
    "request": Scene(("5", "i")),
    "targets": Scene(("5", "t", "down", "down", "down")),
    "targets-distribution": Scene(("5", "c", "down", "down", "down")),
    "targets-scatter": Scene(("5", "c", "c", "down")),
    "timeline": Scene(("7",)),
    "timeline-whole": Scene(("7",), "traced"),
    "timeline-blocks": Scene(("7", "n", "z", "minus", "minus"), "traced"),
    "timeline-follow": Scene(_FOLLOW, "traced"),
    "timeline-only": Scene((*_FOLLOW, "o"), "traced"),
    "timeline-slice": Scene((*_FOLLOW, "enter"), "traced"),
    "timeline-of-tables": Scene(("5", "f", "n", "n", "n", "n")),
    "timeline-statistics": Scene(("7", "t")),
    "help": Scene(("2", "question_mark")),
    "help-ep": Scene(("4", "question_mark")),
    "actions": Scene(("2", "ctrl+p")),
    "command": Scene(("2", "colon", *"metric ", "tab")),
    "command-wrong": Scene(("3", "colon", *"layre 31", "enter")),
    "find": Scene(("2", "colon", *"find dp5", "enter")),
    "sql": Scene(("5", "colon", *_QUERY, "enter", "right", "right", "s", "s", "down")),
    "filter": Scene(("5", "slash", *"ttft", "greater_than_sign", *"2000")),
    "filter-pd": Scene(("3", "slash", *"decode")),
    "notes": Scene(("1", "exclamation_mark")),
    "compare": Scene(("6",), "compared"),
    "compare-dp": Scene(("2", "j", "j", "j", "b", "b"), "compared"),
    "compare-pd": Scene(("3", "b", "b"), "compared"),
    "compare-ep": Scene(("4", "b", "b"), "compared"),
    "even-overview": Scene(("1",), "even"),
    "even-dp": Scene(("2",), "even"),
    "even-pd": Scene(("3",), "even"),
    "even-ep": Scene(("4",), "even"),
    "first-run": Scene((), "nothing"),
    "chooser": Scene(("O", "down"), "beside"),
    "runs": Scene(("down", *_JUDGED, *["right"] * 4), "runs"),
    "runs-trend": Scene((*_JUDGED, "c", "left", "left"), "runs"),
    "runs-sweep": Scene(("e", "down", "down"), "runs"),
}


@contextmanager
def folders() -> Iterator[Mapping[str, Asked]]:
    """Make what scenes are of, in a folder of its own for as long as they are looked at.

    What is compared with the demo is made anew: the same service with its faults mended.
    """
    # Screens name it, and cut what is long: its length is always the same, and `same_name` does the rest.
    base = Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp"))
    try:
        before, after = base / "compared" / "demo", base / "compared" / "tuned"
        make_tuned.make(after)
        for name in ("demo/output", "compared/demo"):
            shutil.copytree(DEMO, base / name)
        # In a folder of its own: a raw profile beside an output may be of its run.
        shutil.copytree(EVEN, base / "even" / EVEN.name)
        # An output that lies in the folder of its raw profile.
        raw_of("vllm_v1_dp2", base / "beside" / "prof")
        (base / "beside" / "prof" / "output").mkdir()
        output_of("vllm_v1_dp2", "csv", base / "beside" / "prof" / "output")
        # Two that a replay answers: of uneven DP domains, and of too few prefill nodes.
        for packed in QUEUEING.glob("*.csv"):
            (base / "routed" / "output").mkdir(parents=True, exist_ok=True)
            shutil.copy(packed, base / "routed" / "output")
        unpacked(PREFILLING, base / "parted" / "PROF_DIR")
        (base / "nothing").mkdir()
        shutil.copytree(EVEN, base / MADE_UP / EVEN.name)
        (base / "traced").mkdir()
        (base / "traced" / "profiler.db").write_bytes(gzip.decompress(TRACED.read_bytes()))
        yield {
            "demo": Asked(base / "demo" / "output"),
            "even": Asked(base / "even" / EVEN.name),
            "compared": Asked(after, baseline=before, given=("--baseline", str(before))),
            "beside": Asked(base / "beside" / "prof"),
            "traced": Asked(base / "traced"),
            "routed": _with_targets(base / "routed" / "output", 500, 60),
            "parted": _with_targets(base / "parted" / "PROF_DIR", 600, 40),
            "nothing": Asked(base / "nothing", named=False),
            MADE_UP: Asked(base / MADE_UP),
        }
    finally:
        shutil.rmtree(base)


def targets(ttft: float, tpot: float) -> Thresholds:
    """Return what `--slo ttft=…,tpot=…` asks for, ms."""
    return Thresholds(targets=(("ttft", ttft), ("tpot", tpot)))


def _with_targets(path: Path, ttft: int, tpot: int) -> Asked:
    given = ("--slo", f"ttft={ttft},tpot={tpot}")
    return Asked(path, thresholds=targets(ttft, tpot), given=given)


_PREFIX = "lbtui-"


def same_name(text: str, asked: Asked) -> str:
    """Return the text with the name of the folder of `folders` as it is each time."""
    made = [part for part in asked.path.parts if part.startswith(_PREFIX)]
    return text.replace(made[0], _PREFIX + "pictures") if made else text


@asynccontextmanager
async def standing(
    asked: Asked, keys: Sequence[str], size: Size, caps: Capabilities
) -> AsyncIterator[tuple[LbtuiApp, Pilot[int]]]:
    """Run the app, and press the keys; then all is read and stands."""
    app = LbtuiApp(asked, caps)
    async with app.run_test(size=size) as pilot:
        await settled(app, pilot)
        if asked.path.name == MADE_UP:
            stand_over(app)
            await settled(app, pilot)
        for key in keys:
            await pilot.press(key)
            await settled(app, pilot)
        yield app, pilot


async def texts(
    asked: Asked, keys: Sequence[str], sizes: Sequence[Size], caps: Capabilities
) -> dict[Size, str]:
    """Return what the screen shows in each size, in lines without blanks at their ends."""
    async with standing(asked, keys, sizes[0], caps) as (app, pilot):
        return await shown_in(app, pilot, sizes)


async def shown_in(app: LbtuiApp, pilot: Pilot[int], sizes: Sequence[Size]) -> dict[Size, str]:
    """Return what the screen of a running app shows in each size, as `texts` does."""
    shown = {}
    for size in sizes:
        await resized(app, pilot, *size)
        whole = "".join(f"{line.text.rstrip()}\n" for line in _lines(app))
        shown[size] = same_name(whole, app.asked)
    return shown


def cells(app: LbtuiApp) -> list[list[tuple[str, str]]]:
    """Return every line of the screen as pieces of text with their styles, each as long as it is of one."""
    found = []
    for line in _lines(app):
        pieces: list[tuple[str, str]] = []
        for segment in line:
            style = str(segment.style)
            if pieces and pieces[-1][1] == style:
                pieces[-1] = (pieces[-1][0] + segment.text, style)
            else:
                pieces.append((segment.text, style))
        found.append(pieces)
    return found


def _lines(app: LbtuiApp) -> list[Strip]:
    return app.screen._compositor.render_strips(app.screen.size)
