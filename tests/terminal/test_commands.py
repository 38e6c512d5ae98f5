"""The line behind the colon in a real terminal: typed in one read, its files, its child, its end."""

import sys

from tests.terminal.driven import DEMO
from tests.tools.person import Person
from tests.tools.terminal import Terminal

LBTUI = [sys.executable, "-m", "lbtui", str(DEMO)]


def test_lines_typed_at_once_are_done_one_after_the_other(tmp_path):
    environment = {"XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    with Terminal(LBTUI, 160, 30, environment) as terminal:
        person = Person(terminal, 160, 30)
        person.sees("ep.rank.hot")
        # Tab completes here, and leads to no other pane.
        person.press(":repo\t~/out.md")
        person.sees(": report ~/out.md")
        person.press("\r")
        person.sees(f"written: {tmp_path}/out.md")
        assert (tmp_path / "out.md").read_text("utf-8").startswith("#")
        person.press(":sql SELECT dp_rank, count(*) AS n FROM steps GROUP BY 1 ORDER BY 1\r")
        person.sees("8 rows · 2 columns")
        person.press("Ge")  # no key of the pane does anything to the line that was
        person.press(":w ~/rows.csv\r")
        person.sees(f"written: {tmp_path}/rows.csv, 8 rows")
        assert (tmp_path / "rows.csv").read_text("utf-8").splitlines()[0] == "dp_rank,n"
        person.press(":w ~/rows.csv\r")
        person.sees("exists already")
        person.press("\x1b")
        person.misses("exists already")
        person.press(":w ~/screen.svg\r")
        person.sees(f"written: {tmp_path}/screen.svg")
        # The one before is there again, and the next query stands in the place of this.
        person.press(":\x1b[A\x1b[A\x1b[A")
        person.sees(": sql SELECT dp_rank, count(*)")
        person.press("\x1b")
        person.misses(": sql SELECT")
        person.press(":dp5\r:q\r")
        assert terminal.wait() == 0
    svg = (tmp_path / "screen.svg").read_text("utf-8")
    assert svg.startswith("<svg")
    assert "dp_rank" in svg
