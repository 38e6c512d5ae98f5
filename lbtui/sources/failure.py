"""What the libraries raise for files that cannot be read, made `Unreadable` in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from lbtui.profile import Note, Unreadable
from lbtui.text import _, visible

# Polars panics on some input that it should refuse.
_POLARS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)


@contextmanager
def unreadable_on_failure(path: Path) -> Iterator[None]:
    """Raise `Unreadable` with a sentence about `path` for any error of the system or of polars."""
    try:
        yield
    except OSError as error:
        raise Unreadable(
            _("{file} cannot be read ({why}); check that it is there and yours to read.").format(
                file=visible(path.name), why=visible(error.strerror or str(error), 200)
            )
        ) from error
    except _POLARS as error:
        raise Unreadable(broken_csv(path, str(error).partition("\n")[0])) from error


def unreadable_note(file: str, error: Unreadable) -> Note:
    """Return the note on a file of which nothing could be read."""
    return Note(visible(file), str(error), lost=True, verdict="unreadable")


def broken_csv(path: Path, why: str) -> str:
    """Return the sentence for a file that is no CSV."""
    return _("{file} cannot be read as CSV ({why}); parse the profile again or remove the file.").format(
        file=visible(path.name), why=visible(why, 200)
    )
