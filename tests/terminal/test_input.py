"""Whatever the terminal sends, the screen stays, and what is typed is done in its order."""

import sys
import time
from contextlib import contextmanager
from random import Random

import pytest
from textual import events

from lbtui.ui.terminal import keyboard
from lbtui.ui.terminal.keyboard import Keyboard
from lbtui.ui.terminal.mouse import MouseGate
from tests.bench.random_input import PARTS, noise, run
from tests.tools.person import Person
from tests.tools.screens import QUEUEING
from tests.tools.terminal import Terminal

SIZE = (100, 30)


def typed(*reads, wait=0.0):
    """Return the events of what is read, one read after the other."""
    taken = []
    gate = MouseGate(taken.append)
    board = Keyboard(-1, taken.append, gate, lambda: SIZE)
    for read in reads:
        board.feed(read)
        time.sleep(wait)
        board.tick()
    return taken


def keys(taken):
    return [event.key for event in taken if isinstance(event, events.Key)]


@pytest.mark.parametrize(
    "part", [*PARTS, b"\x1b[<" + b"9" * 5000 + b";1;1M", b"\x1b[55296;;55296u", bytes(range(256))]
)
def test_keys_after_anything_are_taken(part):
    if part in (b"\x1b[200~", bytes(range(256))):
        part += b"\x1b[201~"
    part = part.replace(b"\x03", b"")
    # Three Escapes end what was begun, as they do for a person.
    taken = typed(part, b"\x1b", b"\x1b", b"\x1b", b"j", wait=keyboard._TICK * 1.5)
    assert keys(taken)[-1] == "j"
    for event in taken:
        if isinstance(event, events.Key) and event.character:
            event.character.encode()


def test_bytes_that_are_not_utf8_take_no_key_with_them():
    assert keys(typed("你".encode("gbk"), b"j"))[-1] == "j"
    assert [event.character for event in typed("你".encode()[:2], "你".encode()[2:])] == ["你"]


@pytest.mark.parametrize("size", [(99_999, 99_999), (0, 0), (1, 1), (30, 100), (30, 10**30)])
@pytest.mark.parametrize("pixels", [(0, 0), (1, 1), (99_999, 99_999), (600, 1000)])
def test_a_size_is_never_believed(size, pixels):
    taken = typed(b"\x1b[48;%d;%d;%d;%dt" % (*size, *pixels), b"\x1b[<0;7;5M")
    assert {tuple(event.size) for event in taken if isinstance(event, events.Resize)} <= {SIZE}
    if size != SIZE[::-1]:
        assert [(e.x, e.y) for e in taken if isinstance(e, events.MouseDown)] in ([(6, 4)], [])


def test_a_paste_is_one_event_whatever_it_holds_and_however_it_is_cut():
    whole = b"\x1b[200~two\nlines \x1b[31m\x03q\x1b[201~j"
    for cut in range(1, len(whole)):
        paste, key = typed(whole[:cut], whole[cut:])
        assert paste.text == "two\nlines \\x1b[31m\\x03q"
        assert key.key == "j"


def test_a_paste_that_never_ends_ends_after_a_second(monkeypatch):
    monkeypatch.setattr(keyboard, "_PATIENCE", 0.05)
    taken = typed(b"\x1b[200~abc", b"", b"\x1b", b"j", wait=0.2)
    assert isinstance(taken[0], events.Paste)
    assert taken[0].text == "abc"
    assert keys(taken) == ["escape", "j"]


def test_ctrl_c_ends_a_paste_that_is_older_than_a_second(monkeypatch):
    ended = []
    monkeypatch.setattr(keyboard, "_PATIENCE", 0.05)
    monkeypatch.setattr(keyboard.endings, "end", ended.append)
    board = Keyboard(-1, print, MouseGate(print), lambda: SIZE)
    board.feed(b"\x1b[200~abc")
    for _time in range(3):
        # Something comes all the time, so that the paste does not end by itself.
        time.sleep(0.02)
        board.feed(b"x")
    time.sleep(0.06)
    board.feed(b"y\x03")
    assert ended == [2]


def test_a_long_paste_is_cut():
    (paste,) = typed(b"\x1b[200~" + b"x" * 1_000_000 + b"\x1b[201~")
    assert len(paste.text) <= 10_000


def mouse_event(kind, x=1):
    return kind(None, x, 1, 0, 0, 1, False, False, False, screen_x=x, screen_y=1)


def test_a_burst_of_the_mouse_is_put_together_and_ends_with_its_last():
    taken = []
    gate = MouseGate(taken.append)
    for x in range(5000):
        gate.put(mouse_event(events.MouseMove, x))
    assert len(taken) < 10
    for _event in range(5):
        gate.handled()
    assert taken[-1].x == 4999
    assert len(taken) < 10


def test_a_release_is_never_dropped_alone():
    taken = []
    gate = MouseGate(taken.append)
    gate.put(mouse_event(events.MouseDown))
    for _time in range(100):
        for kind in (events.MouseMove, events.MouseScrollDown, events.MouseScrollUp):
            gate.put(mouse_event(kind))
    gate.put(mouse_event(events.MouseUp))
    gate.flush()
    assert isinstance(taken[-1], events.MouseUp)


@contextmanager
def on_requests():
    """Give a terminal on which the demo's requests stand, and who looks at it."""
    with Terminal([sys.executable, "-m", "lbtui", "--demo"], *SIZE) as terminal:
        person = Person(terminal, *SIZE)
        person.sees("DP batch")
        person.press("5")
        person.sees("241 requests")
        yield terminal, person


BURSTS = {
    "clicks": b"\x1b[<0;30;12M\x1b[<0;30;12m" * 2500,
    "wheel": b"\x1b[<65;30;12M\x1b[<64;30;12M" * 2500,
    "drag": b"\x1b[<0;30;12M" + b"".join(b"\x1b[<32;%d;12M" % (5 + i % 90) for i in range(5000)),
}


@pytest.mark.parametrize("burst", BURSTS)
def test_after_a_burst_of_the_mouse_a_key_is_answered(burst):
    with on_requests() as (terminal, person):
        terminal.press(BURSTS[burst].decode())
        person.press("q")
        assert terminal.wait() == 0


def test_a_line_is_corrected_in_the_order_of_its_keys():
    with on_requests() as (_terminal, person):
        for written, filtered in (
            ("/common_13\x7f2\r", "filter common_12 "),
            # Home, End and the arrows, too; what the filter is now stands selected.
            ("/\x7f1\x1b[D\x1b[D0\x1b[F5\x1b[H\x1b[C\x1b[C\x1b[C\x7fm\r", "filter 01m "),
        ):
            person.press(written)
            person.sees(filtered)
        person.press("/\x15common_14\r")
        person.sees("filter common_14 ")


def test_the_pane_stays_and_follows_while_a_filter_is_written():
    with on_requests() as (_terminal, person):
        person.press("/")
        person.sees("all must hold")
        person.sees("241 requests")
        person.press("common_12")
        person.sees("11 of 241 requests")
        person.press("\x7f\x7f\x7fttft>")
        # What is wrong is told, and what was right last stands.
        person.sees("is no ")
        person.sees("0 of 241 requests · filter commonttft ·")
        person.press("\x1b")
        person.sees(" 241 requests")


def test_an_action_of_another_pane_is_found_and_done_by_keys_typed_at_once():
    with on_requests() as (_terminal, person):
        person.press("2\x10whatif experst\x7f\x7fts\r")
        person.sees("EP · What-if")


def test_w_asks_what_other_routing_would_bring_and_escape_returns():
    asked = [sys.executable, "-m", "lbtui", str(QUEUEING), "--slo", "ttft=500,tpot=60"]
    with Terminal(asked, *SIZE) as terminal:
        person = Person(terminal, *SIZE)
        person.sees("DP batch")
        person.press("2")
        person.sees("hot spot 1 of")
        person.press("w")
        person.sees("Policies by goodput")
        person.press("jm")
        person.sees("Policies by PAR of running requests")
        person.press("\x1b")
        person.misses("Policies by")
        person.sees("hot spot 1 of")
        person.press("q")
        assert terminal.wait() == 0


def test_a_paste_that_never_ends_holds_nobody():
    with Terminal([sys.executable, "-m", "lbtui", "--demo"], *SIZE) as terminal:
        person = Person(terminal, *SIZE)
        person.sees("DP batch")
        person.press("?")
        person.sees("Escape closes")
        person.press("\x1b[200~abc")
        while "Escape closes" in person.text():
            time.sleep(1.5)
            person.press("\x1b")
            terminal.rest()
        person.press("q")
        assert terminal.wait() == 0


@pytest.mark.parametrize("seed", range(2))
def test_random_bytes_end_nothing(seed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(["--demo"], noise(Random(seed), 20_000))
    assert done.fine, done
