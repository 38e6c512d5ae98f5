"""What is copied: to the terminal's clipboard, to tmux's buffers, and to a private file.

A terminal is asked by OSC 52 and does not say whether it did it; tmux as it comes drops that, so that its own
client is started, with the text on its standard input.
"""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from lbtui.own_folder import in_profile
from lbtui.state_folder import keep, state_folder
from lbtui.text import _, plural, visible

Way: TypeAlias = Literal["terminal", "tmux"]

# Terminals drop a sequence of more than 100,000 bytes (xterm's, hterm's and older tmux's limits are near it):
# so much text has room in it, 3 bytes being 4 characters of base64, and 8 around them.
MOST_SENT = (100_000 - 8) // 4 * 3
_FILE = "copied.txt"
_PATIENCE = 2.0  # seconds for tmux


@dataclass(frozen=True)
class Copied:
    """What was done with a text: `sequence` is still to be written to the terminal, empty for nothing."""

    text: str
    sent: str  # the beginning of it that has room
    way: Way
    sequence: str
    file: Path | None
    why_no_file: str = ""
    why_not_tmux: str = ""  # empty outside of tmux, too


def harmless(text: str) -> str:
    """Return a text without any character that controls what it is pasted into, but line ends."""
    return "\n".join(visible(line, len(line) + 1) for line in text.split("\n"))


def cut(text: str, most: int = MOST_SENT) -> str:
    """Return as much of the text's beginning as has room in so many bytes of UTF-8, in whole characters."""
    data = text.encode()
    return text if len(data) <= most else data[:most].decode(errors="ignore")


def osc52(text: str) -> str:
    """Return the sequence that asks a terminal to put a text on the clipboard."""
    return f"\x1b]52;c;{base64.b64encode(text.encode()).decode('ascii')}\x07"


def given_to_tmux(text: str, environment: Mapping[str, str]) -> str:
    """Give a text to tmux's buffers and by `-w` to the terminal it runs in; return why not, empty if done."""
    try:
        done = subprocess.run(
            ["tmux", "load-buffer", "-w", "-"],
            input=text.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_PATIENCE,
            env=dict(environment),
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return visible(getattr(error, "strerror", None) or type(error).__name__, 60)
    if not done.returncode:
        return ""
    told = done.stderr.decode(errors="replace").strip().partition("\n")[0]
    return visible(told or _("exit code {code}").format(code=done.returncode), 60)


class Clipboard:
    """Takes texts to be copied; of those that come at once the last stays."""

    def __init__(self, environment: Mapping[str, str] | None = None, *, keeps: bool = True) -> None:
        self._keeps = keeps  # whether in a file, too
        self._environment = dict(os.environ if environment is None else environment)
        self._lock = threading.Lock()
        self._newest = 0

    def asked(self) -> int:
        """Return the number of a text that is to be taken now."""
        self._newest += 1
        return self._newest

    def take(self, text: str, number: int, profile: Path | None) -> Copied | None:
        """Copy a text, and keep it in a file, but not in the folder of the profile; may wait for tmux.

        Returns None where by now another was asked for.
        """
        with self._lock:
            if number != self._newest:
                return None
            text = harmless(text)
            sent = cut(text)
            why = given_to_tmux(sent, self._environment) if self._environment.get("TMUX") else None
            file, why_no_file = self._kept(text, profile)
            if why == "":
                return Copied(text, sent, "tmux", "", file, why_no_file)
            return Copied(text, sent, "terminal", osc52(sent), file, why_no_file, why or "")

    def _kept(self, text: str, profile: Path | None) -> tuple[Path | None, str]:
        folder = state_folder(self._environment)
        if folder is None:
            return None, _("no home")
        if not self._keeps:
            return None, "--no-state"
        try:
            if profile is not None and in_profile(folder, profile):
                return None, _("the state folder lies in the profile's")
            return keep(folder, _FILE, text.encode()), ""
        except OSError as error:
            return None, visible(error.strerror or str(error), 60)


def said(copied: Copied, home: str = "") -> str:
    """Return what was done, and where the text is, in one line; the path from `home` on where it is below."""
    whole, sent = len(copied.text.encode()), len(copied.sent.encode())
    count = plural("1 character", "{count} characters", len(copied.text))
    if sent < whole:
        count = _("the first {sent} of {whole} bytes").format(sent=f"{sent:,}", whole=f"{whole:,}")
    words = _("to tmux: {count}") if copied.way == "tmux" else _("to the terminal: {count}")
    parts = [words.format(count=count)]
    if copied.file is not None:
        where = _("all in {file}") if sent < whole else _("also in {file}")
        parts.append(where.format(file=visible(_from_home(copied.file, home))))
    else:
        parts.append(_("in no file: {why}").format(why=copied.why_no_file))
    if copied.why_not_tmux:
        parts.append(_("tmux did not take it: {why}").format(why=copied.why_not_tmux))
    return " · ".join(parts)


def _from_home(file: Path, home: str) -> str:
    if not Path(home).is_absolute() or not file.is_relative_to(home):
        return str(file)
    return f"~/{file.relative_to(home)}"
