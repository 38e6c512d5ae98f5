"""Files on experts that users and other engines wrote, opened within limits."""

from __future__ import annotations

from pathlib import Path

from lbtui.text import _, visible


class BadContent(Exception):
    """The file holds nothing of use; the text says why, as a part of a sentence."""


def must_be_regular(path: Path) -> None:
    """Raise `BadContent` for what is there and no regular file: a pipe would hang its reader."""
    if path.exists() and not path.is_file():
        raise BadContent(_("it is no regular file"))


def read_bytes(path: Path, most: int) -> bytes:
    """Return the content of a regular file of at most so many bytes. Raises `BadContent` with the reason."""
    try:
        must_be_regular(path)
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise BadContent(visible(error.strerror or str(error), 200)) from error
    if len(content) > most:
        raise BadContent(_("it has more than {size} MB").format(size=most >> 20))
    return content
