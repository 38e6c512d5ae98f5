"""A PNG file as an array of RGB pixels, whatever the file really holds."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lbtui.profile import Unreadable
from lbtui.text import _, visible

# The widest map upstream draws has 25,600 columns of pixels; 1,250 rows of them are 100 layers.
MAX_PIXELS = 32_000_000
# Flat cells compress well: a drawn map of 58 × 640 has 0.4 MB.
MAX_BYTES = 100_000_000

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Return the pixels of the PNG at `path` as uint8 [y, x, 3], y from the top.

    Raises `Unreadable` when the file is not a PNG, is damaged, or is larger than any heat map.
    """
    file = visible(path.name)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Unreadable(
                _("{file} is larger than any heat map; remove it or parse again.").format(file=file)
            )
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable(
            _("{file} cannot be read ({reason}); check its permissions.").format(
                file=file, reason=visible(error.strerror or type(error).__name__)
            )
        ) from error
    if not content.startswith(_SIGNATURE):
        raise Unreadable(_("{file} is not a PNG image; copy it again or parse again.").format(file=file))
    if len(content) < 33 or content[12:16] != b"IHDR":
        raise Unreadable(_damaged(file))
    width, height = struct.unpack(">II", content[16:24])
    if width * height > MAX_PIXELS:
        raise Unreadable(
            _(
                "{file} declares {width} × {height} pixels, more than any heat map has; "
                "remove it or parse again."
            ).format(file=file, width=width, height=height)
        )
    try:
        return _decode(content)
    # Pillow has no common base for what broken files make it raise (OSError, SyntaxError, ValueError,
    # struct.error, zlib.error, IndexError and more were all seen).
    except Exception as error:
        raise Unreadable(_damaged(file)) from error


def _damaged(file: str) -> str:
    return _("{file} is damaged or cut short; copy it again or parse again.").format(file=file)


def _decode(content: bytes) -> NDArray[np.uint8]:
    # Only the chunks that make pixels reach Pillow: it warns on stderr about malformed animation chunks,
    # unpacks compressed text and profiles, and lets a second header change the size checked above.
    with Image.open(io.BytesIO(_SIGNATURE + b"".join(_needed_chunks(content))), formats=["PNG"]) as image:
        # Palettes go to RGBA: to RGB, Pillow warns when some of their colours are transparent.
        plain = image if image.mode in ("RGB", "RGBA") else image.convert("RGBA")
        return np.asarray(plain)[:, :, :3]


def _needed_chunks(content: bytes) -> Iterator[bytes]:
    """Yield the chunks of a PNG that make its pixels, as they stand; a cut chunk is the last."""
    start = len(_SIGNATURE)
    headers = 0
    while start < len(content):
        kind = content[start + 4 : start + 8]
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")
        headers += kind == b"IHDR"
        if kind in _NEEDED and (kind != b"IHDR" or headers == 1):
            yield content[start:end]
        start = end
