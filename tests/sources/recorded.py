"""Recorded inputs under tests/data, laid out as an output folder for a test."""

import csv
import gzip
import io
from pathlib import Path

from lbtui.sources import open_profile

DATA = Path(__file__).parent.parent / "data"
CSV_ONLY = [f"csv_only/{name}.csv" for name in ("batch", "forward", "kvcache", "request", "request_status")]


def lay_out(folder: Path, *names: str) -> Path:
    """Copy recorded files, named as below tests/data and without `.gz`, into `folder`; return it.

    `chrome_<run>.json` becomes chrome_tracing.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        target = Path(name).name
        place = folder / ("chrome_tracing.json" if target.startswith("chrome_") else target)
        place.write_bytes(content(name))
    return folder


def content(name: str) -> bytes:
    """Return a recorded file, unpacked."""
    packed = DATA / f"{name}.gz"
    return gzip.decompress(packed.read_bytes()) if packed.exists() else (DATA / name).read_bytes()


def profile(folder: Path, *names: str):
    """Open the profile of recorded files."""
    return open_profile(lay_out(folder, *names))


def state_of(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return name -> content, mtime and mode of every file below `folder`, and its own mtime."""
    files = {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return {**files, ".": (b"", folder.stat().st_mtime_ns, 0)}


def sentences(notes) -> str:
    """Return all notes as one text."""
    return "\n".join(f"{note.file}: {note.text}" for note in notes)


def rows(name):
    """Return the rows of a recorded CSV file, each by header."""
    return list(csv.DictReader(io.StringIO(content(name).decode("utf-8-sig"))))


def write(folder, name, changed):
    """Write rows as a CSV file with the headers of the first."""
    with (folder / name).open("w", newline="") as file:
        out = csv.DictWriter(file, list(changed[0]))
        out.writeheader()
        out.writerows(changed)
