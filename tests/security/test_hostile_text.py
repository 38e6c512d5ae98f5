"""Text from files is data wherever it is shown: screen, reports, JSON, export and complaints."""

import csv
import io
import re
import shutil
from random import Random

import pytest

from lbtui.profile import Unreadable
from lbtui.render.capabilities import Capabilities
from lbtui.sources import open_profile
from lbtui.text import visible
from tests.bench.fuzz import Outcome, command, drive, examine, raw_controls
from tests.terminal.driven import DEMO, press, screen_text
from tests.terminal.driven import drive as on_screen
from tests.tools.mutate import Case

# Everything that must not act, in one: markup of rich and Textual, sequences (SGR, title, clipboard, DCS),
# C0 and C1 characters, bidirectional controls, other kinds of line ends, and a spreadsheet's formula.
HAZARD = (
    "[red]m[/red][@click=app.quit]q[/][link=http://x]l[/] \x1b[31m\x1b[2J\x1b]0;t\x07\x1b]52;c;aGk=\x07"
    "\x1bP+q544e\x1b\\\x9b31m\x85\x08\x7f\u202e\u2066\u2028\ufeff|`<b>"
)
SHOWN = visible("\x1b[31m")
NUMBER = re.compile(r"[-+]?[\d.]+([eE][-+]?\d+)?")
TIME = re.compile(r"\d{4}-\d\d-\d\d .*")


def is_text(cells):
    """Tell whether a column holds text: no numbers, times or nothing."""
    return not all(NUMBER.fullmatch(cell) or TIME.fullmatch(cell) or not cell for cell in cells)


def text_columns(rows):
    return [place for place in range(len(rows[0])) if is_text([row[place] for row in rows[1:]])]


def endangered(folder, chosen):
    """Copy the demo with HAZARD behind the texts of the columns that `chosen` picks; return how many."""
    shutil.copytree(DEMO, folder)
    (folder / "profiler.db").unlink()
    count = 0
    for path in sorted(folder.glob("*.csv")):
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
        for place in chosen(rows):
            for row in rows[1:]:
                # Inside res_list, too, it is the request's name that grows.
                named = re.sub(r"('rid': '[^']*)'", lambda found: f"{found[1]}{HAZARD}'", row[place])
                row[place] = named if named != row[place] else row[place] + HAZARD * bool(row[place])
                count += 1
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    return count


def names(rows):
    wanted = {"hostname", "hostuid", "prof_id", "rid", "http_rid", "address", "res_list"}
    return [place for place, head in enumerate(rows[0]) if head in wanted]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("x") / visible(f"o{HAZARD[:40]}").replace("/", "_")
    assert endangered(folder, names) > 1000
    return folder


def assert_harmless(case):
    outcome = Outcome(-1)
    examine(case, outcome, Random(1))
    assert outcome.faults == []
    assert outcome.opened


def test_names_of_hosts_requests_processes_and_nodes_are_harmless_everywhere(hostile):
    # Reports in both encodings, export, every pane.
    assert_harmless(Case(hostile))


@pytest.mark.parametrize("nth", range(3))
def test_every_column_of_text_is_harmless(tmp_path, nth):
    folder = tmp_path / "output"
    assert endangered(folder, lambda rows: text_columns(rows)[nth : nth + 1])
    assert_harmless(Case(folder))


def test_headers_and_names_of_files_are_harmless(tmp_path):
    folder = tmp_path / HAZARD.replace("/", "_")
    shutil.copytree(DEMO, folder)
    path = folder / "kvcache.csv"
    header, body = path.read_text().split("\n", 1)
    path.write_text(f"{header.replace('rid', HAZARD)}\n{body}", encoding="utf-8")
    (folder / f"{HAZARD.replace('/', '_')}.csv").write_text("a,b\n")
    for kind in ([], ["--json"], ["--report", "markdown"]):
        code, out, err = command([*kind, str(folder)], "utf-8")
        assert code == 0
        # Markdown escapes the bracket, JSON the backslash.
        assert "x1b" in out
        assert not raw_controls(out + err, "\n")


@pytest.mark.parametrize("unicode", [True, False])
def test_on_the_screen_markup_is_text_and_controls_are_seen(hostile, unicode):
    async def scenario(app, pilot):
        await press(app, pilot, "5")
        shown = screen_text(app)
        assert "[red]m[/red][@click" in shown
        await press(app, pilot, "enter")
        shown += screen_text(app)
        await press(app, pilot, "escape", "slash", *"[/]", "enter")
        shown += screen_text(app)
        assert not raw_controls(shown, "\n")
        assert app.is_running

    on_screen(Capabilities("256", unicode), scenario, (200, 50), hostile)


def test_keys_over_hostile_names_draw_nothing_raw(hostile):
    outcome = Outcome(-1)
    keys = (
        "2",
        "enter",
        "escape",
        "c",
        "escape",
        "3",
        "t",
        "5",
        "enter",
        "escape",
        "7",
        "enter",
        "escape",
        "t",
        "ctrl+p",
        "escape",
    )
    drive(hostile, Capabilities("256"), (120, 32), keys, outcome)
    assert outcome.faults == []


def test_complaints_are_harmless(tmp_path):
    for path in (tmp_path / HAZARD.replace("/", "_"), tmp_path / f"{'x' * 300}\x1b[31m"):
        with pytest.raises(Unreadable) as raised:
            open_profile(path)
        assert not raw_controls(str(raised.value))
        code, out, err = command(["--json", str(path)], "utf-8")
        assert (code, out) == (3, "")
        assert SHOWN in err
        assert not raw_controls(err, "\n")
    config = tmp_path / "c.toml"
    config.write_text('[thresholds]\n"\\u001b[31m" = 1\n')
    code, out, err = command(["--demo", "--config", str(config)], "utf-8")
    assert (code, out) == (2, "")
    assert SHOWN in err
    assert not raw_controls(err, "\n")
