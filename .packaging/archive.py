"""What is handed on: archives whose bytes depend on their contents only, and the .run file."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from inputs import HERE


def _add(file: IO[bytes] | gzip.GzipFile, folder: Path, name: str) -> None:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in [folder, *sorted(folder.rglob("*"))]:
            inside = archive.gettarinfo(path, (Path(name) / path.relative_to(folder)).as_posix())
            inside.mtime = inside.uid = inside.gid = 0
            inside.uname = inside.gname = ""
            inside.mode = 0o755 if path.is_dir() or inside.mode & 0o100 else 0o644
            if inside.isreg():
                with path.open("rb") as content:
                    archive.addfile(inside, content)
            else:
                archive.addfile(inside)


def tar(folder: Path, name: str, target: Path) -> None:
    """Write a folder as `target`, with `name` as its only folder at the top, not compressed: wheels are."""
    with target.open("wb") as file:
        _add(file, folder, name)


def tar_gz(folder: Path, name: str) -> bytes:
    """Return a folder as .tar.gz, with `name` as its only folder at the top."""
    content = io.BytesIO()
    with gzip.GzipFile(fileobj=content, mode="wb", compresslevel=9, mtime=0) as file:
        _add(file, folder, name)
    return content.getvalue()


def filled(text: str, values: Mapping[str, object]) -> str:
    """Return a script with each `@NAME@` replaced."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def run_file(target: Path, payload: bytes, version: str, architecture: str, unpacked: int) -> None:
    """Write the .run file: a script that knows the size and sha256 of the .tar.gz that follows it.

    `unpacked` is the size of the payload's files in bytes; its only folder at the top is `tree`.
    """
    text = (HERE / "run.sh").read_text("utf-8")
    digest = hashlib.sha256(payload).hexdigest()
    values = {
        "VERSION": version,
        "ARCH": architecture,
        "SHA256": digest,
        "SHORT": digest[:12],
        "BYTES": len(payload),
        "LINE": text.count("\n") + 1,
        "MEGABYTES": max(1, round(unpacked / 1e6)),
    }
    script = filled(text, values)
    target.write_bytes(script.encode() + payload)
    target.chmod(0o755)
