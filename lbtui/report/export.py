"""The canonical frames as files for other tools: CSV or Parquet, one file a frame."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, get_args
from uuid import uuid4

import polars as pl
from polars.io.plugins import register_io_source

from lbtui.profile import FrameName, Profile, Progress, empty
from lbtui.profile.zone import ZONE_OFFSET_US
from lbtui.report.iterations import SCHEMA, iteration_cells
from lbtui.text import _, visible

Format: TypeAlias = Literal["csv", "parquet"]

# What DESIGN.md lists for a frame that holds more inside; all other frames are written whole.
COLUMNS: dict[FrameName, tuple[str, ...]] = {
    "expert_heat": (
        "instance",
        "view",
        "period",
        "layer",
        "column",
        "tokens",
        "share",
        "relative",
        "phase",
    )
}

# A spreadsheet takes text that begins so for a formula and runs it; with `'` before it the text is text.
_EXECUTED = r"^[=+\-@\t\r]"


class CannotExport(Exception):
    """The export was refused or failed; the text is one sentence that says why."""


@dataclass(frozen=True)
class Written:
    """One exported file."""

    path: Path
    rows: int
    defused: int = 0  # cells that a spreadsheet would have executed


def export(
    profile: Profile,
    folder: Path,
    file_format: Format,
    *,
    force: bool = False,
    per_iteration: bool = False,
    progress: Progress | None = None,
) -> Iterator[Written]:
    """Write every frame that has rows into `folder`, yielding each file as it is complete.

    With `per_iteration` expert_heat has a row per iteration too, where these are known.

    Times are written with their offset; in CSV, text that a spreadsheet would execute has `'` before it. Only
    with `force` an existing file is replaced: else `CannotExport` is raised before the first one is written.
    """
    # The names are ours: nothing in the data has a say in where its rows go.
    targets = {name: folder / f"{name}.{file_format}" for name in get_args(FrameName)}
    existing = [] if force else [path.name for path in targets.values() if os.path.lexists(path)]
    if existing:
        raise CannotExport(
            _(
                "{folder} already holds {files}; nothing was written. Choose another folder, or replace them "
                "with --force."
            ).format(folder=visible(str(folder)), files=", ".join(existing))
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in targets.items():
            writing = _Writing(path, file_format, force=force)
            by_iteration = per_iteration and name == "expert_heat"
            if by_iteration and (series := profile.load_expert_series(progress).series):
                yield writing.pieces(iteration_cells(series), SCHEMA)
                continue
            if name == "steps" and (written := profile.each_part_of_steps(writing.steps, progress)):
                yield written
                continue
            frame = profile.load_whole(name, progress).frame
            # A file that stays from an export before would pass for rows of this profile.
            if not frame.is_empty() or os.path.lexists(path):
                frame = exported(name, frame, file_format)
                defused = 0
                if file_format == "csv":
                    frame, defused = defuse(frame)
                _write(frame, path, file_format, force=force)
                yield Written(path, frame.height, defused)
    except OSError as error:
        raise CannotExport(
            _("{folder} cannot be written ({why}).").format(
                folder=visible(str(folder)), why=error.strerror or error
            )
        ) from error


@dataclass
class _Writing:
    """The writing of one file piece by piece."""

    path: Path
    file_format: Format
    force: bool

    def steps(self, parts: Iterator[pl.DataFrame]) -> Written:
        """Write the frame `steps` from its parts."""
        nothing = exported("steps", empty("steps"), self.file_format)
        return self.pieces((exported("steps", part, self.file_format) for part in parts), nothing.schema)

    def pieces(self, frames: Iterator[pl.DataFrame], schema: pl.Schema) -> Written:
        """Write frames as they are, one after the other."""
        rows = defused = 0
        failures: list[Exception] = []

        def pieces(
            columns: list[str] | None, predicate: pl.Expr | None, most: int | None, size: int | None
        ) -> Iterator[pl.DataFrame]:
            nonlocal rows, defused
            try:
                for piece in frames:
                    if self.file_format == "csv":
                        piece, cells = defuse(piece)
                        defused += cells
                    rows += piece.height
                    yield piece if columns is None else piece.select(columns)
            except Exception as error:
                # Polars would make an error of its own of it.
                failures.append(error)
                raise

        lazy = register_io_source(pieces, schema=schema)

        def write(file: BinaryIO) -> None:
            try:
                if self.file_format == "parquet":
                    lazy.sink_parquet(file)
                else:
                    lazy.sink_csv(file)
            except Exception:
                if failures:
                    raise failures[0] from None
                raise

        _write_file(self.path, write, force=self.force)
        return Written(self.path, rows, defused)


def exported(name: FrameName, frame: pl.DataFrame, file_format: Format) -> pl.DataFrame:
    """Return a frame as it is written: the public columns, times with their offset."""
    frame = frame.select(COLUMNS.get(name, frame.columns))
    times = pl.col(pl.Datetime("us"))
    if file_format == "parquet":
        return frame.with_columns(times.dt.replace_time_zone("UTC"))
    return frame.with_columns(
        times.dt.offset_by(f"{ZONE_OFFSET_US}us").dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+08:00")
    )


def defuse(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return a frame with `'` before each text that a spreadsheet would execute, and how many these are."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    executed = {name: frame[name].str.contains(_EXECUTED).fill_null(value=False) for name in texts}
    found = {name: int(cells.sum()) for name, cells in executed.items() if cells.any()}
    return (
        frame.with_columns(
            pl.when(executed[name]).then("'" + pl.col(name)).otherwise(pl.col(name)).alias(name)
            for name in found
        ),
        sum(found.values()),
    )


def _write(frame: pl.DataFrame, path: Path, file_format: Format, *, force: bool) -> None:
    _write_file(path, lambda file: _write_to(frame, file, file_format), force=force)


def _write_file(path: Path, write: Callable[[BinaryIO], None], *, force: bool) -> None:
    # What is replaced stays until the new file is whole; and a link there is replaced, not followed.
    target = path.with_name(f".{path.name}.{uuid4().hex}") if force else path
    # Mode x: a file that appeared since the check above is not overwritten either.
    with target.open("xb") as file:
        try:
            write(file)
            if force:
                target.replace(path)
        except BaseException:
            # A part of a file would pass for the whole.
            target.unlink()
            raise


def _write_to(frame: pl.DataFrame, file: BinaryIO, file_format: Format) -> None:
    if file_format == "parquet":
        frame.write_parquet(file)
    else:
        frame.write_csv(file)
