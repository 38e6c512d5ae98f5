"""The canonical frames as files for other tools: CSV or Parquet, one file a frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, get_args

import polars as pl

from lbtui.profile import FrameName, Profile, Progress
from lbtui.profile.zone import ZONE_OFFSET_US
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


class CannotExport(Exception):
    """The export was refused or failed; the text is one sentence that says why."""


@dataclass(frozen=True)
class Written:
    """One exported file."""

    path: Path
    rows: int


def export(
    profile: Profile, folder: Path, file_format: Format, progress: Progress | None = None
) -> Iterator[Written]:
    """Write every frame that has rows into `folder`, yielding each file as it is complete.

    Times are written with their offset. Nothing existing is overwritten: raises `CannotExport` before the
    first file is written if any of them is there.
    """
    targets = {name: folder / f"{name}.{file_format}" for name in get_args(FrameName)}
    existing = [path.name for path in targets.values() if path.exists()]
    if existing:
        raise CannotExport(
            _("{folder} already holds {files}; nothing was written. Choose an empty folder.").format(
                folder=visible(str(folder)), files=", ".join(existing)
            )
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in targets.items():
            frame = profile.load(name, progress).frame
            if not frame.is_empty():
                _write(exported(name, frame, file_format), path, file_format)
                yield Written(path, frame.height)
    except OSError as error:
        raise CannotExport(
            _("{folder} cannot be written ({why}).").format(
                folder=visible(str(folder)), why=error.strerror or error
            )
        ) from error


def exported(name: FrameName, frame: pl.DataFrame, file_format: Format) -> pl.DataFrame:
    """Return a frame as it is written: the public columns, times with their offset."""
    frame = frame.select(COLUMNS.get(name, frame.columns))
    times = pl.col(pl.Datetime("us"))
    if file_format == "parquet":
        return frame.with_columns(times.dt.replace_time_zone("UTC"))
    return frame.with_columns(
        times.dt.offset_by(f"{ZONE_OFFSET_US}us").dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+08:00")
    )


def _write(frame: pl.DataFrame, path: Path, file_format: Format) -> None:
    # Mode x: a file that appeared since the check above is not overwritten either.
    with path.open("xb") as file:
        try:
            _write_to(frame, file, file_format)
        except BaseException:
            # A part of a file would pass for the whole.
            path.unlink()
            raise


def _write_to(frame: pl.DataFrame, file: BinaryIO, file_format: Format) -> None:
    if file_format == "parquet":
        frame.write_parquet(file)
    else:
        frame.write_csv(file)
