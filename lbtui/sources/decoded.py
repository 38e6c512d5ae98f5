r"""Bytes as text. Host names and request ids need not be UTF-8: names that differ must never look alike."""

from __future__ import annotations


def decoded(raw: bytes) -> str:
    r"""Return text from UTF-8; else from GB18030 where that gives text; else with its bad bytes as `\xNN`."""
    for encoding in ("utf-8", "gb18030"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8" or text.isprintable():
            return text
    return raw.decode("utf-8", "backslashreplace")
