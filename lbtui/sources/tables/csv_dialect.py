"""How a CSV file is written, told from its first bytes: compression, encoding, separator, decimal mark."""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from lbtui.profile import Unreadable
from lbtui.sources.failure import broken_csv, unreadable_on_failure
from lbtui.sources.inflate import GZIP, Damaged, inflated
from lbtui.text import _, visible

_LONGEST_HEADER = 1 << 20
_SAMPLED_LINES = 200
# A header of many columns is one field where it is tried with another separator than its own.
csv.field_size_limit(_LONGEST_HEADER)
_SEPARATORS = (",", ";", "\t", "|")
# What a spreadsheet writes, or is told by, before the header.
_NAMED_SEPARATOR = re.compile(r'"?sep=(.)"?')
_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LINE_END = re.compile("\r\n|\n|\r")
_ZIP = b"PK\x03\x04"
_GROUPED = r"[+-]?[1-9]\d{{0,2}}(?:[{mark}]\d{{3}})+"
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_COMMA_GROUPED, _POINT_GROUPED = (_GROUPED.format(mark=mark) for mark in (",", "."))
_WITH_COMMA = re.compile(rf"(?!{_COMMA_GROUPED}$)[+-]?\d+,\d+{_EXPONENT}|{_POINT_GROUPED},\d+")
_WITH_POINT = re.compile(rf"(?!{_POINT_GROUPED}$)[+-]?\d+\.\d+{_EXPONENT}|{_COMMA_GROUPED}\.\d+")

Encoding: TypeAlias = str  # a codec's name, or `MIXED`
MIXED = "mixed"  # bytes that are no UTF-8 among those that are


@dataclass(frozen=True)
class CsvFile:
    """One CSV file: its header's names, and how it is written."""

    path: Path
    header: list[str]
    encoding: Encoding = "utf-8"
    compressed: bool = False
    separator: str = ","
    decimal_comma: bool = False
    lines_before: int = 1  # the first row: the header, and what is above it


def open_csv(path: Path) -> CsvFile:
    """Return what the file's first bytes tell. Raises `Unreadable` if there is no first line to read."""
    with unreadable_on_failure(path):
        sample, compressed = _first_bytes(path)
    if sample.startswith(_ZIP):
        text = _("{file} is a zip archive or a spreadsheet's workbook; unpack it, or save it as CSV.")
        raise Unreadable(text.format(file=visible(path.name)))
    encoding, sample = _encoding(sample)
    text = _text(sample, encoding)
    # Python 3.10's csv refuses a NUL byte, later ones do not.
    lines = _LINE_END.split(text.replace("\0", ""), _SAMPLED_LINES + 2)[: _SAMPLED_LINES + 2]
    named = _NAMED_SEPARATOR.fullmatch(lines[0].strip()) if lines else None
    lines_before = 2 if named else 1
    header = lines[lines_before - 1] if len(lines) >= lines_before else ""
    if not header.strip():
        raise Unreadable(_("{file} is empty; was the parser interrupted?").format(file=visible(path.name)))
    try:
        separator = named[1] if named else _separator(header)
        names = _cells(header, separator)
    except csv.Error as error:
        raise Unreadable(broken_csv(path, str(error))) from error
    return CsvFile(
        path,
        [name.strip() for name in names],
        encoding,
        compressed,
        separator,
        _has_decimal_comma(lines[lines_before:], separator),
        lines_before,
    )


def _first_bytes(path: Path) -> tuple[bytes, bool]:
    with path.open("rb") as file:
        if file.read(len(GZIP)) != GZIP:
            file.seek(0)
            return file.read(_LONGEST_HEADER), False
        file.seek(0)
        sample = bytearray()
        try:
            for part in inflated(file):
                sample += part
                if len(sample) >= _LONGEST_HEADER:
                    break
        except Damaged as error:
            if not sample:
                text = _("{file} is a damaged gzip file ({why}); copy it here again.")
                why = visible(str(error), 200)
                raise Unreadable(text.format(file=visible(path.name), why=why)) from error
        return bytes(sample[:_LONGEST_HEADER]), True


def _encoding(sample: bytes) -> tuple[Encoding, bytes]:
    """Return the encoding, and the sample without a byte-order mark."""
    for mark, encoding in _ENCODINGS:
        if sample.startswith(mark):
            return encoding if encoding != "utf-8" else _utf8_or_mixed(sample), sample[len(mark) :]
    # Without a mark: every other byte of what begins with plain letters is 0.
    head = sample[:64]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(head) > 3 and not any(head[first::2]) and all(head[1 - first :: 2]):
            return encoding, sample
    return _utf8_or_mixed(sample), sample


def _utf8_or_mixed(sample: bytes) -> Encoding:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return MIXED
    return "utf-8"


def _text(sample: bytes, encoding: Encoding) -> str:
    return sample.decode("utf-8" if encoding == MIXED else encoding, "replace")


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _separator(header: str) -> str:
    """Return what parts the header into the most names; the comma if none does."""
    return max(_SEPARATORS, key=lambda separator: len(_cells(header, separator)))


def _has_decimal_comma(lines: list[str], separator: str) -> bool:
    """Tell whether numbers have a comma before their fraction, by what can be nothing else.

    Programs separate by something else than the comma where it is the decimal mark.
    """
    commas = points = 0
    for line in lines:
        # Between commas a cell with one in it stands in quotes.
        if separator == "," and '"' not in line:
            continue
        try:
            found = _cells(line, separator)
        except csv.Error:
            continue
        for cell in map(str.strip, found):
            commas += _WITH_COMMA.fullmatch(cell) is not None
            points += _WITH_POINT.fullmatch(cell) is not None
    return commas > points or (separator != "," and not points)
