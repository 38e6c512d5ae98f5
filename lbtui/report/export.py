"""The canonical frames as files for other tools: CSV or Parquet, one file a frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, get_args

import polars as pl
from polars.io.plugins import register_io_source

from lbtui.output import CannotWrite
from lbtui.own_folder import in_profile
from lbtui.profile import FrameName, Profile, Progress, empty
from lbtui.profile.time import ZONE_OFFSET_US
from lbtui.report.iterations import SCHEMA, iteration_cells
from lbtui.report.latency_rows import latency_rows
from lbtui.report.together import Together, together
from lbtui.text import _, in_list, visible

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

_PARTS = "latency_parts"

# A spreadsheet takes text that begins so for a formula and runs it; with `'` before it the text is text.
# Some take the signs in full width, or `|`, as well, or look past what is not seen before them.
_EXECUTED = r"^[\s\p{Cf}\p{Z}]*[=+\-@＝＋－＠|\t\r]"


class CannotExport(Exception):
    """The export was refused; the text is one sentence that says why."""


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
) -> list[Written]:
    """Write every frame that has rows into `folder`, all of them or none; return the files.

    With them the parts of each request's latency, of the capture shown.
    With `per_iteration` expert_heat has a row per iteration too, where these are known.

    Times are written with their offset; in CSV, text that a spreadsheet would execute has `'` before it.
    Raises `CannotExport` for the profile's own folder and, without `force`, for one that holds a file of the
    export; `CannotWrite` where the system refuses. Either way the folder is as it was before.
    """
    # The names are ours: nothing in the data has a say in where its rows go.
    targets = {name: f"{name}.{file_format}" for name in get_args(FrameName)}
    parts = f"{_PARTS}.{file_format}"
    shown = visible(str(folder))
    try:
        if in_profile(folder, profile.path):
            raise CannotExport(
                _("{folder} lies in the profile's folder, which stays as it is: choose another.").format(
                    folder=shown
                )
            )
        with together(folder, replace=force) as files:
            existing = [] if force else [name for name in (*targets.values(), parts) if files.exists(name)]
            if existing:
                raise _refused(shown, existing)
            written = []
            for name, file in targets.items():
                writing = _Writing(folder / file, file_format, files)
                frame = writing.frame(profile, name, per_iteration=per_iteration, progress=progress)
                if frame is not None:
                    written.append(frame)
            found = _Writing(folder / parts, file_format, files).latency(profile, progress)
            written += [] if found is None else [found]
    except FileExistsError as error:
        # It has come since it was looked for; or the folder is a file.
        raise (
            _refused(shown, [Path(error.filename).name]) if folder.is_dir() else _failed(shown, error)
        ) from error
    except OSError as error:
        raise _failed(shown, error) from error
    return written


def _refused(folder: str, existing: list[str]) -> CannotExport:
    return CannotExport(
        _(
            "{folder} already holds {files}; nothing was written. Choose another folder, or replace them "
            "with --force."
        ).format(folder=folder, files=in_list(existing))
    )


def _failed(folder: str, error: OSError) -> CannotWrite:
    return CannotWrite(
        _("{folder} cannot be written ({why}).").format(
            folder=folder, why=visible(error.strerror or str(error), 200)
        )
    )


@dataclass
class _Writing:
    """The writing of one file."""

    path: Path
    file_format: Format
    files: Together

    def frame(
        self, profile: Profile, name: FrameName, *, per_iteration: bool, progress: Progress | None
    ) -> Written | None:
        """Write a frame, in pieces where it is large; return None where there is nothing to write."""
        if (
            per_iteration
            and name == "expert_heat"
            and (series := profile.load_expert_series(progress).series)
        ):
            return self._pieces(iteration_cells(series), SCHEMA)
        if name == "steps" and (written := profile.each_part_of_steps(self._steps, progress)):
            return written
        return self._unless_empty(exported(name, profile.load_whole(name, progress).frame, self.file_format))

    def latency(self, profile: Profile, progress: Progress | None) -> Written | None:
        """Write where the time of each request went; return None where there is nothing to write."""
        return self._unless_empty(latency_rows(profile, progress))

    def _unless_empty(self, frame: pl.DataFrame) -> Written | None:
        # A file that stays from an export before would pass for rows of this profile.
        if frame.is_empty() and not self.files.exists(self.path.name):
            return None
        return self._whole(frame)

    def _whole(self, frame: pl.DataFrame) -> Written:
        defused = 0
        if self.file_format == "csv":
            frame, defused = defuse(frame)

        def write(file: BinaryIO) -> None:
            if self.file_format == "parquet":
                frame.write_parquet(file)
            else:
                frame.write_csv(file)

        self.files.write(self.path.name, write)
        return Written(self.path, frame.height, defused)

    def _steps(self, parts: Iterator[pl.DataFrame]) -> Written:
        """Write the frame `steps` from its parts."""
        nothing = exported("steps", empty("steps"), self.file_format)
        return self._pieces((exported("steps", part, self.file_format) for part in parts), nothing.schema)

    def _pieces(self, frames: Iterator[pl.DataFrame], schema: pl.Schema) -> Written:
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

        self.files.write(self.path.name, write)
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
