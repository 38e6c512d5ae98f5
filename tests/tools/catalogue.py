"""What is said through `_`, and the catalogue of Chinese; `python -m tests.tools.catalogue` updates it.

New sentences come in with an empty translation, which is then to be written (terms as in the manual's
glossary), and sentences that are no longer said go. `tests/test_catalogue.py` fails until all is whole.
"""

from __future__ import annotations

import io
import os
import tempfile
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[2]
FILE = ROOT / "lbtui" / "locale" / "zh_CN" / "LC_MESSAGES" / "lbtui.po"


# What argparse says of usage, in all its versions; it takes it from the text domain (`lbtui.text.speak`).
_ARGPARSE = (
    "usage: ",
    "positional arguments",
    "options",
    "unrecognized arguments: %s",
    "argument %(argument_name)s: %(message)s",
    "not allowed with argument %s",
    "ignored explicit argument %r",
    "one of the arguments %s is required",
    "expected one argument",
    "ambiguous option: %(option)s could match %(matches)s",
    "invalid choice: %(value)r (choose from %(choices)s)",
)


def _empty() -> Catalog:
    # Dates of it would differ each time.
    then = datetime(2026, 11, 29, tzinfo=timezone.utc)
    return Catalog(
        locale="zh_CN",
        charset="utf-8",
        fuzzy=False,
        header_comment="# What lbtui says, in Chinese; tests/tools/catalogue.py adds what is new.",
        project="lbtui",
        version="0",
        creation_date=then,
        revision_date=then,
        last_translator="lbtui",
        language_team="lbtui",
        msgid_bugs_address="",
    )


@cache
def said() -> Catalog:
    """Return everything that the code says, with the files in which it does."""
    found = _empty()
    keywords = {"_": None, "plural": (1, 2)}
    extracted = extract_from_dir(ROOT / "lbtui", [("**.py", "python")], keywords=keywords)
    for name, _line, message, _comments, _context in sorted(extracted, key=lambda each: each[:2]):
        found.add(message, locations=[(f"lbtui/{name}", 0)])
    for message in _ARGPARSE:
        found.add(message, locations=[("argparse", 0)])
    return found


def translated() -> Catalog:
    """Return the catalogue as it is."""
    with FILE.open("rb") as file:
        return read_po(file)


def compile_catalogue() -> Path:
    """Write `lbtui.mo`, where it is not of this catalogue; several processes may do so at once."""
    data = io.BytesIO()
    write_mo(data, translated())
    compiled = FILE.with_suffix(".mo")
    if not compiled.exists() or compiled.read_bytes() != data.getvalue():
        number, new = tempfile.mkstemp(dir=FILE.parent, suffix=".new")
        with os.fdopen(number, "wb") as file:
            file.write(data.getvalue())
        Path(new).chmod(0o644)
        Path(new).replace(compiled)
    return compiled


def is_translated(message: Message) -> bool:
    """Tell whether a message has a translation, of all its forms."""
    forms = (message.string,) if isinstance(message.string, str) else message.string or ("",)
    return all(forms)


def main() -> None:
    """Write the catalogue with what is said now, and its compiled form."""
    known = translated() if FILE.exists() else _empty()
    current = said()
    for message in current:
        old = known.get(message.id) if message.id else None
        if old is not None and isinstance(old.string, str) == isinstance(message.id, str):
            message.string = old.string
    whole = io.BytesIO()
    write_po(whole, current, width=110, include_lineno=False, sort_by_file=True)
    FILE.write_bytes(whole.getvalue())
    compile_catalogue()
    missing = sum(not is_translated(message) for message in current if message.id)
    print(f"{FILE.relative_to(ROOT)}: {len(current)} sentences, {missing} without a translation")


if __name__ == "__main__":
    main()
