"""The line that `^Y` copies, run by a shell in another terminal, shows the same cells."""

import shlex
import sys

from tests.tools.person import Person
from tests.tools.terminal import Terminal

LBTUI = [sys.executable, "-m", "lbtui"]
COLUMNS, ROWS = 110, 32


def cells(person):
    """Return every cell of the screen with its colours and how it is set off: of a blank what shows of it."""
    person.lines()
    rows = [[person.screen.buffer[y][x] for x in range(COLUMNS)] for y in range(ROWS)]
    return [
        [cell._replace(fg="", bold=False, italics=False) if cell.data == " " else cell for cell in row]
        for row in rows
    ]


def test_the_line_opens_the_same_cells_in_another_terminal(tmp_path):
    environment = {"XDG_STATE_HOME": str(tmp_path), "COLORTERM": "truecolor", "TMUX": ""}
    with Terminal([*LBTUI, "--demo", "--slo", "ttft=500"], COLUMNS, ROWS, environment) as terminal:
        person = Person(terminal, COLUMNS, ROWS)
        person.sees("FINDINGS")
        for keys, seen in (("5", "queue wait"), ("/", "filter"), ("ttft>2000\r", "ttft>2000"), ("sjjj", "")):
            person.press(keys)
            person.sees(seen)
        person.misses("looking where")
        terminal.rest()
        person.press("\x19")
        person.sees("This line opens what is shown here")
        person.sees("to the terminal: ")
        person.press("\x1b")
        person.misses("This line opens")
        terminal.rest()
        shown = cells(person)
        person.press("q")
        assert terminal.wait() == 0
    line = (tmp_path / "lbtui" / "copied.txt").read_text(encoding="utf-8")
    assert line.startswith("lbtui --demo --slo ttft=500 --at 'requests;")
    run = f'lbtui() {{ exec {shlex.join(LBTUI)} "$@"; }}; {line}'
    with Terminal(["sh", "-c", run], COLUMNS, ROWS, environment) as terminal:
        person = Person(terminal, COLUMNS, ROWS)
        # Where the time of the requests went comes last.
        person.awaits(lambda _text: cells(person) == shown, "the same cell by cell")
        person.press("q")
        assert terminal.wait() == 0
