"""What `y` and `Y` send: bytes of OSC 52, tmux's own client, a private file; and the mouse given away."""

import base64
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.ui.terminal.clipboard import (
    MOST_SENT,
    Clipboard,
    Copied,
    cut,
    given_to_tmux,
    harmless,
    osc52,
    said,
)
from tests.terminal.driven import DEMO
from tests.tools.person import Person
from tests.tools.terminal import PATIENCE, Terminal

OSC52 = re.compile(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07")
LBTUI = [sys.executable, "-m", "lbtui", str(DEMO)]


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)


def taken(text, environment, profile=None):
    clipboard = Clipboard(environment)
    return clipboard.take(text, clipboard.asked(), profile)


# Pure


@given(st.text())
def test_nothing_that_controls_a_terminal_is_sent(text):
    kept = harmless(text)
    assert all(char.isprintable() or char in "\n " or not char.isascii() for char in kept)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", kept)
    kept.encode()


def test_what_is_harmless_stays_whole():
    assert harmless("泳道 dp0\n空泡 12 ms ≥ 3×") == "泳道 dp0\n空泡 12 ms ≥ 3×"
    assert harmless("a" * 5000) == "a" * 5000
    assert harmless("id\x1b]52;c;eA==\x07\r") == "id\\x1b]52;c;eA==\\x07\\r"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 40))
def test_a_cut_is_the_longest_beginning_in_whole_characters(text, most):
    found = cut(text, most)
    assert text.startswith(found)
    assert len(found.encode()) <= most
    assert found == text or len(text[: len(found) + 1].encode()) > most


def test_the_sequence_has_the_text_and_no_terminal_drops_it_for_its_length():
    assert osc52("dp0 · 12") == "\x1b]52;c;" + base64.b64encode("dp0 · 12".encode()).decode() + "\x07"
    assert len(osc52("a" * MOST_SENT)) <= 100_000 < len(osc52("a" * (MOST_SENT + 3)))


def test_what_is_said_tells_where_the_text_is():
    file = Path("/home/me/.local/state/lbtui/copied.txt")
    whole = Copied("abc", "abc", "terminal", "x", file)
    assert (
        said(whole, "/home/me") == "to the terminal: 3 characters · also in ~/.local/state/lbtui/copied.txt"
    )
    assert str(file) in said(whole, "")
    assert said(Copied("a", "a", "tmux", "", file), "/home/me").startswith("to tmux: 1 character · also in ")
    part = said(Copied("abcdef", "abc", "terminal", "x", file), "/home/me")
    assert part == "to the terminal: the first 3 of 6 bytes · all in ~/.local/state/lbtui/copied.txt"
    none = said(Copied("abc", "abc", "terminal", "x", None, "no home", "no server"))
    assert none == "to the terminal: 3 characters · in no file: no home · tmux did not take it: no server"


# The file


def test_a_private_file_holds_all_of_it(tmp_path):
    long = "é" * MOST_SENT
    found = taken(long, {"XDG_STATE_HOME": str(tmp_path)})
    assert found.file == tmp_path / "lbtui" / "copied.txt"
    assert found.file.read_text("utf-8") == found.text == long
    assert stat.S_IMODE(found.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(found.file.parent.stat().st_mode) == 0o700
    assert (len(found.sent.encode()), found.way) == (MOST_SENT // 2 * 2, "terminal")
    assert found.sequence == osc52(found.sent)


def test_nothing_is_kept_in_the_folder_of_a_profile(tmp_path):
    profile = tmp_path / "profile"
    profile.mkdir()
    found = taken("abc", {"XDG_STATE_HOME": str(profile)}, profile)
    assert (found.file, list(profile.iterdir())) == (None, [])
    assert found.sequence == osc52("abc")
    assert "profile" in said(found)


def test_without_a_home_or_on_a_full_disk_it_is_sent_all_the_same(tmp_path):
    assert taken("abc", {}).sequence == osc52("abc")
    (tmp_path / "file").write_text("")
    found = taken("abc", {"XDG_STATE_HOME": str(tmp_path / "file")})
    assert (found.file, found.sequence) == (None, osc52("abc"))
    assert "in no file: " in said(found)


def test_of_two_at_once_the_last_stays(tmp_path):
    clipboard = Clipboard({"XDG_STATE_HOME": str(tmp_path)})
    first, second = clipboard.asked(), clipboard.asked()
    assert clipboard.take("second", second, None).text == "second"
    assert clipboard.take("first", first, None) is None
    assert (tmp_path / "lbtui" / "copied.txt").read_text() == "second"


# tmux, as another program of that name


def test_tmux_gets_the_text_on_its_standard_input(tmp_path):
    script(tmp_path / "tmux", f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\n/bin/cat > {tmp_path}/given\n')
    environment = {"PATH": str(tmp_path), "TMUX": "/tmp/x,1,0", "XDG_STATE_HOME": str(tmp_path)}
    found = taken("-w; $(id) \x1b[31m泳道", environment)
    assert (tmp_path / "arguments").read_text() == "load-buffer -w -\n"
    assert (tmp_path / "given").read_text("utf-8") == "-w; $(id) \\x1b[31m泳道"
    assert (found.way, found.sequence, found.why_not_tmux) == ("tmux", "", "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("#!/bin/sh\necho 'no \033[31mserver' >&2\nexit 1\n", "no \\x1b[31mserver"),
        ("#!/bin/sh\nexit 3\n", "exit code 3"),
        ("#!/bin/sh\nexec /bin/sleep 60\n", "TimeoutExpired"),
        (None, "No such file or directory"),
    ],
)
def test_where_tmux_does_not_take_it_the_terminal_is_asked(tmp_path, monkeypatch, text, why):
    if text:
        script(tmp_path / "tmux", text)
    monkeypatch.setattr("lbtui.ui.terminal.clipboard._PATIENCE", 0.2 if text and "sleep" in text else 60)
    found = taken("abc", {"PATH": str(tmp_path), "TMUX": "x", "XDG_STATE_HOME": str(tmp_path)})
    assert (found.way, found.sequence, found.why_not_tmux) == ("terminal", osc52("abc"), why)


def test_outside_of_tmux_no_program_is_started(tmp_path):
    script(tmp_path / "tmux", f"#!/bin/sh\n> {tmp_path}/started\n")
    for environment in ({"PATH": str(tmp_path)}, {"PATH": str(tmp_path), "TMUX": ""}):
        assert taken("abc", environment).way == "terminal"
    assert not (tmp_path / "started").exists()


# The installed command


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


def test_a_terminal_gets_what_is_under_the_cursor_and_the_pane(tmp_path):
    environment = {"XDG_STATE_HOME": str(tmp_path), "TMUX": "", "HOME": str(tmp_path)}
    with Terminal(LBTUI, 120, 32, environment) as terminal:
        person = Person(terminal, 120, 32)
        person.sees("ep.rank.hot")
        person.press("5")
        person.sees("241 requests")
        person.press("y")
        person.sees("to the terminal: ")
        person.sees("also in ~/lbtui/copied.txt")
        (sent,) = OSC52.findall(bytes(terminal.output))
        request = base64.b64decode(sent).decode()
        assert request.startswith("endpoint_common_")
        assert any(request in line for line in person.lines())
        assert (tmp_path / "lbtui" / "copied.txt").read_text() == request
        person.press("j")
        person.misses("to the terminal: ")
        person.misses("looking where requests")
        shown = [line.rstrip() for line in person.lines()[2:-1]]
        person.press("Y")
        person.sees("to the terminal: ")
        pane = base64.b64decode(OSC52.findall(bytes(terminal.output))[1]).decode()
        assert pane.split("\n") == shown[: len(pane.split("\n"))]
        assert not any(shown[len(pane.split("\n")) :])
        person.press("q")
        assert terminal.wait() == 0


def test_in_tmux_its_client_gets_it_and_the_line_no_sequence(tmp_path):
    script(
        tmp_path / "tmux",
        f"#!/bin/sh\n/bin/cat > {tmp_path}/new && /bin/mv {tmp_path}/new {tmp_path}/given\n",
    )
    environment = {
        "XDG_STATE_HOME": str(tmp_path),
        "TMUX": "/tmp/tmux-0/default,1,0",
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    with Terminal(LBTUI, 120, 32, environment) as terminal:
        person = Person(terminal, 120, 32)
        person.sees("ep.rank.hot")
        person.press("y")
        person.sees("to tmux: ")
        assert "ep.rank.hot" in (tmp_path / "given").read_text("utf-8")
        assert not OSC52.findall(bytes(terminal.output))
        person.press("q")
        assert terminal.wait() == 0


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not here")
def test_the_real_tmux_has_it_in_its_buffer_and_tells_its_own_terminal(tmp_path):
    socket = str(tmp_path / "s")
    tmux = ["tmux", "-f", "/dev/null", "-S", socket]
    environment = {"XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    command = ["env", f"XDG_STATE_HOME={tmp_path}", f"PYTHONPATH={environment['PYTHONPATH']}", *LBTUI]
    try:
        with Terminal([*tmux, "new-session", *command], 120, 32, environment) as terminal:
            person = Person(terminal, 120, 32)
            person.sees("ep.rank.hot")
            person.press("y")
            person.sees("to tmux: ")
            held = subprocess.run([*tmux, "show-buffer"], capture_output=True, check=True, text=True).stdout
            assert held == (tmp_path / "lbtui" / "copied.txt").read_text("utf-8")
            assert "ep.rank.hot" in held
            # `-w`: the terminal outside of tmux was asked, too.
            outside = re.compile(rb"\x1b\]52;[a-z]*;([A-Za-z0-9+/=]+)(?:\x07|\x1b\\)")
            found = until(
                lambda: (terminal.read(0.1) and None) or outside.findall(bytes(terminal.output)), "OSC 52"
            )
            assert base64.b64decode(found[-1]).decode() == held
            person.press("q")
            terminal.wait()
    finally:
        subprocess.run([*tmux, "kill-server"], capture_output=True, check=False)


def test_tmux_itself_refuses_where_there_is_no_server(tmp_path):
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not here")
    nowhere = {"PATH": os.environ["PATH"], "TMUX": f"{tmp_path}/none,1,0", "TMUX_TMPDIR": str(tmp_path)}
    assert given_to_tmux("abc", nowhere) != ""


# The mouse


def modes(terminal):
    return re.findall(rb"\x1b\[\?(1000|1002|1006)([hl])", bytes(terminal.output))


@pytest.mark.parametrize("more", [[], ["--no-mouse"]])
def test_P_gives_the_mouse_to_the_terminal_and_takes_it(tmp_path, more):
    on = not more
    with Terminal([*LBTUI, *more], 120, 32, {"XDG_STATE_HOME": str(tmp_path)}) as terminal:
        person = Person(terminal, 120, 32)
        person.sees("ep.rank.hot")
        assert ((b"1000", b"h") in modes(terminal)) == on
        for _press in range(3):
            before, on = len(modes(terminal)), not on
            person.press("P")
            person.sees("the mouse is lbtui's" if on else "the mouse is the terminal's")
            letter = b"h" if on else b"l"
            assert modes(terminal)[before:] == [(mode, letter) for mode in (b"1000", b"1002", b"1006")]
            person.press("j")
            person.misses("the mouse is")
        person.press("q")
        assert terminal.wait() == 0
        # It ends with the mouse given back.
        last = dict(modes(terminal))
        assert set(last.values()) <= {b"l"}
