"""Every kind of terminal, locale and size: start, every pane, help, quit, in a real pty."""

import re
import sys
from contextlib import ExitStack

import pytest
from rich.cells import cell_len

from tests.tools.person import Person
from tests.tools.terminal import Terminal

TERMS = ("xterm-256color", "tmux-256color", "screen", "linux")
LOCALES = {"UTF-8": {}, "C": {"LANG": "C", "LC_ALL": "", "PYTHONCOERCECLOCALE": "1"}}
SIZES = ((80, 24), (200, 50))
# Words of each pane in its finished state, and in ASCII.
PANES = {
    "1": ("DP batch", "DP batch"),
    "2": ("forward_iter", "forward_iter"),
    "3": ("added requests", "added requests"),
    "4": ("rank × layer", "rank x layer"),
    "5": ("241 requests", "241 requests"),
    "7": ("4,895 slices", "4,895 slices"),
}
COLOR = re.compile(rb"\x1b\[([0-9;]*)m")
BELONGS_TO_256 = re.compile(rb"[34]8;5;")
TRUE = re.compile(rb"[34]8;2;")


class Visit:
    """One terminal of the matrix; its panes' texts in `seen`."""

    def __init__(self, stack, term, locale, size):
        self.term, self.locale = term, locale
        environment = {"TERM": term, **LOCALES[locale]}
        command = [sys.executable, "-m", "lbtui", "--demo"]
        self.terminal = stack.enter_context(Terminal(command, *size, environment))
        self.person = Person(self.terminal, *size)
        self.seen = {}

    def shows(self, key):
        """Keep the pane's finished text."""
        self.person.sees(PANES[key][self.locale == "C"])
        self.person.misses("Escape cancels")
        if key == "1":
            self.person.sees("q quit")
        self.terminal.rest()
        self.seen[key] = self.person.text()

    def ends(self):
        assert self.terminal.wait() == 0
        assert self.terminal.modes() == {}
        assert self.terminal.attributes() == self.terminal.found


def each(visits, keys, then):
    """Press keys on every terminal, then look at each: while one is looked at the others draw."""
    for visit in visits:
        visit.person.press(keys)
    for visit in visits:
        then(visit)


def below_the_first_line(visit):
    """Return what stands below the line that grows with what is read behind the panes."""
    visit.terminal.read(0.0)
    return visit.person.text().splitlines()[1:]


def becomes_alike(visits, key):
    """Wait until all show the same: on a busy machine a picture arrives in pieces."""
    for visit in visits[1:]:
        what = f"{key} of {visit.term} is that of {visits[0].term}"
        visit.person.awaits(lambda text: text.splitlines()[1:] == below_the_first_line(visits[0]), what)
    for visit in visits:
        visit.seen[key] = visit.person.text()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("locale", LOCALES)
def test_every_terminal_shows_the_same_text_in_its_own_colours(locale, size):
    with ExitStack() as stack:
        visits = [Visit(stack, term, locale, size) for term in TERMS]
        for visit in visits:
            # The findings come last; until then the header counts fewer notes.
            visit.person.sees("!!")
            visit.person.sees("5 notes")
        # The Overview last, as it grows with what the others have read.
        for key in "23451":
            each(visits, key, lambda visit, key=key: visit.shows(key))
            # Which halves of a block look alike depends on the colours there are.
            if key != "4":
                becomes_alike(visits, key)
        each(visits, "?", lambda visit: visit.person.sees("Overview: keys and quantities"))
        each(visits, "\x1b", lambda visit: visit.person.misses("keys and quantities"))
        each(visits, "q", Visit.ends)
    for visit in visits:
        sequences = b" ".join(COLOR.findall(bytes(visit.terminal.output)))
        assert not TRUE.search(sequences), visit.term
        assert bool(BELONGS_TO_256.search(sequences)) == ("256" in visit.term), visit.term
        for key, text in visit.seen.items():
            lines = text.splitlines()
            # pyte leaves the second cell of a wide character empty: the width is the terminal's.
            assert all(cell_len(line) == size[0] for line in lines), (visit.term, key)
            assert text.isascii() == (locale == "C"), (visit.term, key)
        assert "1 Overview" in visit.seen["1"].splitlines()[1]
        assert "q quit" in visit.seen["1"].splitlines()[-1]


@pytest.mark.parametrize("locale", LOCALES)
def test_a_dumb_terminal_gets_the_report_without_any_escape(locale):
    environment = {"TERM": "dumb", **LOCALES[locale]}
    with Terminal([sys.executable, "-m", "lbtui", "--demo"], 80, 24, environment) as terminal:
        assert terminal.wait() == 0
        assert b"\x1b" not in terminal.output
        assert b"DP batch" in terminal.output
        assert terminal.attributes() == terminal.found


@pytest.mark.parametrize(
    ("options", "environment", "depth"),
    [
        (["--color", "none"], {"COLORTERM": "truecolor"}, None),
        (["--color", "16"], {}, b"16"),
        (["--color", "256"], {"NO_COLOR": "1", "TERM": "linux"}, b"8;5;"),
        (["--color", "truecolor"], {}, b"8;2;"),
        (["--color", "auto"], {"NO_COLOR": "1"}, None),
        ([], {"COLORTERM": "truecolor"}, b"8;2;"),
        ([], {"COLORTERM": "truecolor", "TERM": "screen"}, b"16"),
    ],
    ids=str,
)
def test_the_depth_of_colour_is_as_chosen_even_in_what_textual_draws(options, environment, depth):
    command = [sys.executable, "-m", "lbtui", "--demo", *options]
    with Terminal(command, 100, 30, environment) as terminal:
        person = Person(terminal, 100, 30)
        person.sees("DP batch")
        steps = (
            ("4", "rank × layer"),
            ("?", "EP: keys"),
            ("\x1b", "rank × layer"),
            ("\x10", "words of what you want"),
        )
        for keys, words in steps:
            person.press(keys)
            person.sees(words)
        terminal.rest()
        written = b";".join(COLOR.findall(bytes(terminal.output)))
    codes = set(written.split(b";"))
    colored = {code for code in codes if re.fullmatch(rb"3[0-8]|4[0-8]|9[0-7]|10[0-7]", code)}
    if depth is None:
        assert not colored
    elif depth == b"16":
        assert colored
        assert not colored & {b"38", b"48"}
    else:
        assert depth in written
        assert (b"8;5;" in written) == (depth == b"8;5;")
        assert (b"8;2;" in written) == (depth == b"8;2;")


def test_ascii_is_chosen_for_a_stream_that_cannot_carry_more_and_on_demand():
    for options, environment in (([], {"PYTHONIOENCODING": "ascii"}), (["--ascii"], {})):
        with Terminal([sys.executable, "-m", "lbtui", "--demo", *options], 80, 24, environment) as terminal:
            person = Person(terminal, 80, 24)
            person.sees("DP batch")
            for keys, words in (("3", "added"), ("\x10", "words of what you want"), ("dp", "2           DP")):
                person.press(keys)
                person.sees(words)
            assert bytes(terminal.output).isascii()


def test_without_the_mouse_it_is_left_alone():
    with Terminal([sys.executable, "-m", "lbtui", "--demo", "--no-mouse"], 80, 24) as terminal:
        person = Person(terminal, 80, 24)
        person.sees("DP batch")
        assert not terminal.modes().keys() & {"1000", "1002", "1003", "1006", "1015", "1016"}
        person.press("q")
        assert terminal.wait() == 0
        assert not re.search(rb"\x1b\[\?10(00|02|03|06|15|16)[hl]", terminal.output)


def test_the_size_is_the_terminals_whatever_the_environment_was_left_with():
    environment = {"COLUMNS": "80", "LINES": "24"}
    with Terminal([sys.executable, "-m", "lbtui", "--demo"], 120, 40, environment) as terminal:
        person = Person(terminal, 120, 40)
        person.awaits(lambda text: "q quit" in text.splitlines()[-1], "the keys in line 40")
        terminal.resize(100, 30)
        person.screen.resize(30, 100)
        person.awaits(lambda text: "q quit" in text.splitlines()[-1], "the keys in line 30")
