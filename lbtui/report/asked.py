"""What the screen asks to be written: the same as the command writes, each with a sentence for its user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, cast

import polars as pl

from lbtui.output import CannotWrite
from lbtui.own_folder import in_profile
from lbtui.profile import Profile, Progress
from lbtui.remembered import FindingNote
from lbtui.report.export import CannotExport, Format, export
from lbtui.report.save import save_new
from lbtui.report.sql_result import sql_csv
from lbtui.report.whole import as_form, worked_out
from lbtui.text import _, in_clauses, in_list, is_asked, language, plural, visible, with_comma
from lbtui.thresholds import Thresholds

Form: TypeAlias = Literal["text", "markdown", "json"]
FORMS: Mapping[str, Form] = {".txt": "text", ".md": "markdown", ".json": "json"}


def refused(form: Form) -> str | None:
    """Return why a report is not written in a form, None where it is.

    What programs read is English unless another language was asked for, and a process speaks one.
    """
    if form != "json" or language() == "en" or is_asked():
        return None
    return _(
        "a report as JSON is in English, and this screen is not: `lbtui PATH --json > FILE` writes it, or "
        "begin with --lang zh for one in Chinese"
    )


def write_text(name: str, content: str, profile: Path) -> str:
    """Write a new file; return where it is in a sentence. Raises `CannotWrite` with one where it is not."""
    why = save_new(name, content, profile)
    if why is not None:
        raise CannotWrite(why)
    return _("written: {file}").format(file=_shown(name))


def write_rows(name: str, rows: pl.DataFrame, profile: Path, progress: Progress) -> str:
    """Write rows as CSV into a new file, as `write_text` does."""
    content, defused = sql_csv(rows)
    _go_on(name, progress)
    written = write_text(name, content, profile)
    return _with_defused(with_comma(written, plural("1 row", "{count} rows", rows.height)), defused)


def _with_defused(told: str, cells: int) -> str:
    if not cells:
        return told
    words = _("{cells} cells that a spreadsheet would execute begin with ' now")
    return in_clauses([told, words.format(cells=cells)])


def write_report(
    name: str,
    profile: Profile,
    baseline: Profile | None,
    thresholds: Thresholds | None,
    notes: Sequence[FindingNote],
    progress: Progress,
) -> str:
    """Write the report that the suffix of the name asks for, as `write_text` does."""
    form = FORMS.get(Path(name.strip()).suffix.lower())
    if form is None:
        sentence = _(
            "the name ends in {known}, which says in which form the report is written: {name}{suffix}"
        )
        raise CannotWrite(sentence.format(known=in_list(FORMS), name=visible(name.strip()), suffix=".md"))
    if (why := refused(form)) is not None:
        raise CannotWrite(why)
    # Before all is worked out for it.
    _must_be_new(name, profile.path)
    made = worked_out(profile, baseline, thresholds, progress=progress).with_notes(notes)
    content = as_form(made, form, ascii_only=False)
    _go_on(name, progress)
    return write_text(name, content, profile.path)


def _go_on(name: str, progress: Progress) -> None:
    """Raise `Cancelled` where that was asked for while nothing was read: then nothing is written."""
    progress.advance(name, 1, 1)


def _must_be_new(name: str, profile: Path) -> None:
    path = Path(name.strip()).expanduser()
    try:
        known, own = path.exists(), in_profile(path, profile)
    except (OSError, ValueError, RuntimeError):
        return  # writing it will say why
    if known or own:
        # It says which.
        raise CannotWrite(save_new(name, "", profile) or "")


def write_export(folder: str, file_format: str, profile: Profile, progress: Progress) -> str:
    """Write the canonical frames into a folder; return how many files and rows in a sentence.

    Raises `CannotWrite` with one where nothing was written.
    """
    try:
        path = Path(folder).expanduser()
        written = export(profile, path, cast(Format, file_format), progress=progress)
    except CannotExport as error:
        raise CannotWrite(str(error)) from error
    except (ValueError, RuntimeError) as error:
        sentence = _("{folder} cannot be written ({why}).")
        raise CannotWrite(sentence.format(folder=visible(folder), why=visible(str(error), 200))) from error
    rows = sum(one.rows for one in written)
    told = _("written into {folder}: {files}, {rows}").format(
        folder=_shown(folder),
        files=plural("1 file", "{count} files", len(written)),
        rows=plural("1 row", "{count} rows", rows),
    )
    return _with_defused(told, sum(one.defused for one in written))


def _shown(name: str) -> str:
    """Return a path whole, as it is shown."""
    try:
        return visible(str(Path(name.strip()).expanduser().absolute()))
    except (OSError, RuntimeError):
        return visible(name)
