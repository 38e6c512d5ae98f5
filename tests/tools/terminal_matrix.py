"""The matrix of terminals in tmux: what an emulator in use makes of the screen. Prints a table.

    python -m tests.tools.terminal_matrix [PATH]

tmux runs each TERM × locale × size; every pane and the help are captured. A row says what is wrong, or "ok":
words that must stand there, ASCII in a C locale, no line too wide, an end that gives the terminal back.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

TERMS = ("xterm-256color", "tmux-256color", "screen", "linux", "dumb")
LOCALES = ("C.UTF-8", "C")
SIZES = ((80, 24), (200, 50))
PANES = {
    "1": "FINDINGS",
    "2": "forward_iter",
    "3": "added requests",
    "4": "layer",
    "5": "requests",
    "7": "slices",
}
_PATIENCE = 30.0


class Tmux:
    """A tmux server of its own with one window."""

    def __init__(self, name: str, locale: str, size: tuple[int, int], command: str) -> None:
        self._server = ["tmux", "-L", name, "-f", "/dev/null", *(["-u"] if locale != "C" else [])]
        self("new-session", "-d", "-s", "m", "-x", str(size[0]), "-y", str(size[1]), command)

    def __call__(self, *arguments: str) -> str:
        """Run a tmux command; return what it prints."""
        return subprocess.run([*self._server, *arguments], capture_output=True, text=True, check=True).stdout

    def press(self, key: str) -> None:
        """Press a key."""
        self("send-keys", "-t", "m", key)

    def until(self, wanted: Callable[[str], bool]) -> str | None:
        """Return the screen once it is as wanted, None if that takes too long."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if wanted(text := self("capture-pane", "-p", "-t", "m")):
                return text
            time.sleep(0.1)
        return None


def visit(term: str, locale: str, size: tuple[int, int], target: str) -> list[str]:
    """Return what is wrong in one terminal."""
    columns, rows = size
    command = f"env TERM={term} LANG={locale} LC_ALL= {sys.executable} -m lbtui {target}; echo left=$?; cat"
    tmux = Tmux(f"lbtui-{term}-{locale}-{columns}x{rows}", locale, size, command)
    try:
        return list(_wrong(tmux, term, locale, columns))
    finally:
        tmux("kill-server")


def _wrong(tmux: Tmux, term: str, locale: str, columns: int) -> Iterator[str]:
    if term == "dumb":
        if tmux.until(lambda text: "left=0" in text) is None:
            yield "no report"
        return
    for key, words in PANES.items():
        tmux.press(key)
        text = tmux.until(partial(_finished, words))
        if text is None:
            yield f"{key}: no {words!r}"
        elif locale == "C" and not text.isascii():
            yield f"{key}: not ASCII"
        elif any(len(line) > columns for line in text.splitlines()):
            yield f"{key}: too wide"
    tmux.press("?")
    if tmux.until(lambda text: "keys and quantities" in text) is None:
        yield "no help"
    tmux.press("Escape")
    if tmux.until(lambda text: "keys and quantities" not in text) is None:
        yield "help stays"
    tmux.press("q")
    if tmux.until(lambda text: "left=0" in text) is None:
        yield "does not end"
    state = tmux(
        "display-message", "-p", "-t", "m", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}"
    ).strip()
    if state != "0 0 1":
        yield f"alternate, mouse, cursor {state}"


def _finished(words: str, text: str) -> bool:
    return words in text and "Escape cancels" not in text


def main() -> int:
    """Print the table; return 1 if anything is wrong."""
    target = shlex.join(sys.argv[1:] or ["--demo"])
    failed = 0
    for term in TERMS:
        for locale in LOCALES:
            for size in SIZES:
                wrong = visit(term, locale, size, target)
                failed += bool(wrong)
                print(f"{term:<16}{locale:<9}{size[0]:>3}x{size[1]:<5}{'; '.join(wrong) or 'ok'}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
