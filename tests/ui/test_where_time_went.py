"""Where the time of requests went, in the app: the Overview's line, the bar in Requests, the waterfall."""

import csv
import re
from pathlib import Path

from lbtui.findings.latency.words import PART_SHORT, missed_sentence
from lbtui.render.text import number
from lbtui.ui.kit.pages import TextPage
from tests.ui.test_compare_pane import run

DATA = Path(__file__).parents[1] / "data"
CSV_ONLY, EVEN = DATA / "csv_only", DATA / "even_small"
_TIMES = re.compile(r"([\d,.]+) (ms|s) [<\d]")


def opened(folder, scenario, size=(140, 40), baseline=None):
    return run(folder, baseline, scenario, size)


def requests_of(folder):
    with (folder / "request.csv").open() as file:
        return {row["http_rid"]: row for row in csv.DictReader(file)}


def test_the_first_line_under_the_findings_says_why_requests_missed_and_leads_to_them():
    async def script(driven):
        told = driven.app.told
        lines = driven.pane()
        at = next(n for n, line in enumerate(lines) if "Why missed" in line)
        assert "─ " in lines[at + 1], "right under the list of findings"
        assert missed_sentence(told)[:60] in lines[at]
        assert "waiting for prefill at dp3" in lines[at]
        found = sum("!" in line[:5] for line in lines[1:at])
        await driven.press(*["j"] * (at - 1))
        assert "> Why missed" in "\n".join(driven.pane()), f"below {found} findings"
        await driven.press("enter")
        assert driven.app.current.KEY == "5"
        shown = driven.pane()
        assert f"{told.missed.missed} of {told.table.height} requests" in shown[0]
        assert "slo=missed" in shown[0]

    opened(CSV_ONLY, script)


def test_its_page_has_all_parts_and_their_formulas():
    async def script(driven):
        lines = driven.pane()
        at = next(n for n, line in enumerate(lines) if "Why missed" in line)
        await driven.press(*["j"] * (at - 1), "i")
        page = driven.app.screen
        assert isinstance(page, TextPage)
        text = page._text.plain
        for part in driven.app.told.parts:
            assert re.search(rf"^{re.escape(label(part.part))}  +", text, re.MULTILINE), part.part
        assert "time beyond target: " in text

    opened(CSV_ONLY, script)


def label(part):
    from lbtui.analysis.latency_parts import PART_LABELS

    return PART_LABELS[part]


def test_the_bar_under_the_table_is_of_the_request_under_the_cursor():
    recorded = requests_of(CSV_ONLY)

    async def script(driven):
        await driven.press("5")
        for _row in range(5):
            lines = driven.pane()
            rid = re.search(r"endpoint_common_\d+", lines[-1])[0]
            (bar,) = [line for line in lines if line.startswith(" time  ")]
            told = [
                (float(n.replace(",", "")) * (1000 if unit == "s" else 1)) for n, unit in _TIMES.findall(bar)
            ]
            whole = float(recorded[rid]["execution_time(ms)"])
            assert any(name in bar for name in PART_SHORT.values())
            assert sum(told) <= whole * 1.01 + 2
            assert max(told) >= whole / 4, "the longest first"
            await driven.press("j")

    opened(CSV_ONLY, script)


def test_its_page_lists_parts_that_sum_to_its_duration():
    recorded = requests_of(CSV_ONLY)

    async def script(driven):
        await driven.press("5", "j", "j", "i")
        page = driven.app.screen
        text = page._text.plain
        rid = re.search(r"id +(\S+)", text)[1]
        section = text.split("Where the time went\n")[1].split("\n\n")[0]
        times = [float(n.replace(",", "")) for n in re.findall(r"  ([\d,.]+) ms  [<\d]", section)]
        assert len(times) >= 4
        assert abs(sum(times) - float(recorded[rid]["execution_time(ms)"])) < 0.01
        assert times == sorted(times, reverse=True)

    opened(CSV_ONLY, script)


def test_the_largest_part_has_a_column():
    async def script(driven):
        await driven.press("5")
        lines = driven.pane()
        (head,) = [line for line in lines if "mostly" in line and "duration" in line]
        at = head.index("mostly")
        cells = [line[at : at + 24].strip() for line in lines if line.startswith("endpoint")]
        assert len(cells) > 5
        assert all(re.fullmatch(r"[a-zA-Z -]+ \d+ %", cell) for cell in cells), cells

    opened(CSV_ONLY, script, size=(180, 40))


def test_the_difference_of_a_latency_is_drawn_part_by_part():
    async def script(driven):
        await driven.press("6", "slash", *"ttft", "space", *"mean", "enter")
        reading = " ".join(" ".join(driven.pane()).split())
        assert "Of which waiting for prefill at dp3 +" in reading
        await driven.press("i")
        text = driven.app.screen._text.plain
        before, after = (
            float(re.search(rf"^{name} +([\d,.]+) ", text, re.MULTILINE)[1].replace(",", ""))
            for name in ("before", "after")
        )
        steps = re.findall(r"^[a-z][a-zA-Z -]+ +([+−])([\d,.]+)  +█", text, re.MULTILINE)
        total = sum(float(n.replace(",", "")) * (1 if sign == "+" else -1) for sign, n in steps)
        assert len(steps) >= 3
        # Each to three digits.
        assert abs(total - (after - before)) < 0.01 * after, (total, before, after, number(after))

    opened(CSV_ONLY, script, baseline=EVEN)
