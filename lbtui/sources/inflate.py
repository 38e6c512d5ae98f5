"""Reads a gzip file some MB at a time, up to where it is damaged."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from lbtui.text import _

GZIP = b"\x1f\x8b"
_READ = 1 << 20
_MOST = 4 << 20  # bytes at once, however well they are compressed
# Tables become a tenth as large, where their rows hardly differ a fiftieth; what becomes a thousandth, such
# as zeros, could be unpacked for hours.
_MOST_RATIO = 100
_ALWAYS = 64 << 20  # bytes, of which the ratio is not asked


class Damaged(OSError):
    """The rest of the file cannot be unpacked; the text says why."""


def inflated(file: BinaryIO) -> Iterator[bytes]:
    """Yield the unpacked bytes of all members; raises `Damaged` where the file breaks off or is broken."""
    member = zlib.decompressobj(wbits=31)
    within = False  # of a member
    total = 0
    while data := file.read(_READ):
        while data:
            try:
                unpacked = member.decompress(data, _MOST)
            except zlib.error as error:
                raise Damaged(str(error)) from error
            total += len(unpacked)
            if total > max(_ALWAYS, _MOST_RATIO * file.tell()):
                raise Damaged(_("it unpacks to more than {ratio} times its size").format(ratio=_MOST_RATIO))
            yield unpacked
            within = not member.eof
            data = member.unconsumed_tail
            if member.eof:
                # Zeros may fill up the last block of a tape.
                data = member.unused_data.lstrip(b"\0")
                member = zlib.decompressobj(wbits=31)
    if within:
        raise Damaged("unexpected end of file")
