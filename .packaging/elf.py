"""ELF, of any architecture: which libraries a file wants, and the file without its rest.

Formats: System V ABI, 64-bit little-endian. `strip` of binutils knows one architecture only, and breaks files
that patchelf has changed, as those in wheels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRINGS = 1, 5
# e_machine of the architectures as `uname -m` calls them.
MACHINES = {"x86_64": 62, "aarch64": 183}


class Segment(NamedTuple):
    """A row of the program header table."""

    kind: int
    offset: int
    address: int
    size: int


def is_elf(content: bytes) -> bool:
    """Tell whether it is an ELF file of 64 bits, little-endian."""
    return content[:6] == b"\x7fELF\x02\x01"


def machine(content: bytes) -> int:
    """Return e_machine."""
    return int(_HEADER.unpack_from(content)[2])


def _segments(content: bytes) -> list[Segment]:
    header = _HEADER.unpack_from(content)
    start, size, count = header[5], header[9], header[10]
    rows = (_SEGMENT.unpack_from(content, start + size * row) for row in range(count))
    return [Segment(row[0], row[2], row[3], row[5]) for row in rows]


def _dynamic(content: bytes, segments: list[Segment]) -> Iterator[tuple[int, int]]:
    for segment in segments:
        if segment.kind == _DYNAMIC:
            yield from struct.iter_unpack("<QQ", content[segment.offset : segment.offset + segment.size])


def needed(content: bytes) -> list[str]:
    """Return the names of the libraries that the loader has to find for it (DT_NEEDED)."""
    segments = _segments(content)
    rows = list(_dynamic(content, segments))
    table = next((value for tag, value in rows if tag == _STRINGS), None)
    home = [s for s in segments if s.kind == _LOAD and table is not None and 0 <= table - s.address < s.size]
    if table is None or not home:
        return []
    strings = home[0].offset + table - home[0].address
    starts = [strings + value for tag, value in rows if tag == _NEEDED]
    return [content[start : content.index(b"\0", start)].decode() for start in starts]


def loaded_part(content: bytes) -> bytes:
    """Return the file without section headers and what follows the last segment: symbols, debug information.

    The loader reads segments only. Nothing is cut where a segment reaches to the end.
    """
    header = list(_HEADER.unpack_from(content))
    segments = _segments(content)
    end = max([header[5] + header[9] * header[10], *(each.offset + each.size for each in segments)])
    header[6] = header[12] = header[13] = 0  # e_shoff, e_shnum, e_shstrndx
    header[11] = 0  # e_shentsize
    return _HEADER.pack(*header) + content[_HEADER.size : end]
