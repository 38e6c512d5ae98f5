"""CSV of token counts of experts: one count a line as SGLang writes, or one line a layer.

SGLang's recorder of early 2025 wrote `layer_id,expert_id,count`, only experts that were chosen, layers by
their numbers in the model; a column of steps may stand before. A table of one row a layer has a column for
each expert, with or without a header, and may begin with the numbers of step and layer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.sources.experts.array import whole_tokens
from lbtui.sources.experts.bytes import BadContent, read_bytes
from lbtui.sources.experts.rows import Table
from lbtui.text import _, visible

_MOST_BYTES = 1 << 28
_MOST_ID = 65_535
_MOST_CELLS = 1 << 26
_HEAD = 1 << 16
_LAYER, _EXPERT = re.compile(r"layer"), re.compile(r"expert")
_STEP, _COUNT = re.compile(r"step|iter|pass"), re.compile(r"count|token|load|num")
_SEPARATORS = (b",", b";", b"\t", b" ")

_Cells = npt.NDArray[np.float64]


def looks_like_counts(path: Path) -> bool:
    """Tell whether the first lines of a file are such a table; False for one that cannot be opened."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD) if path.is_file() else b""
    except OSError:
        return False
    lines = _plain(head).split(b"\n")
    separator = _separator(lines[0])
    names = _names(lines[0], separator)
    if names is None:
        cells = lines[0].split(separator)
        return len(cells) > 1 and all(len(line.split(separator)) == len(cells) for line in lines[1:3] if line)
    layers, experts = (sum(bool(pattern.search(name)) for name in names) for pattern in (_LAYER, _EXPERT))
    columns = names[len(list(takewhile(bool, map(_head, names)))) :]
    return experts > 1 or bool(layers and experts) or (bool(columns) and all(map(str.isdigit, columns)))


def read_table(path: Path) -> tuple[Table, list[str]]:
    """Return the counts [step, layer, expert] in a CSV file, and what to mind.

    Raises `BadContent` with the reason where there are none.
    """
    text = _plain(read_bytes(path, _MOST_BYTES)).rstrip(b"\n")
    first = text.partition(b"\n")[0]
    separator = _separator(first)
    names = _names(first, separator)
    body = text if names is None else text.partition(b"\n")[2]
    cells = _numbers(body, separator, first.count(separator) + 1, 1 if names is None else 2)
    if names is None:
        columns = _keys(cells)
        return _long(cells, columns) if columns else (_checked(cells)[None], [])
    found = {
        kind: next((place for place, name in enumerate(names) if pattern.search(name)), None)
        for kind, pattern in (("step", _STEP), ("layer", _LAYER), ("expert", _EXPERT), ("count", _COUNT))
    }
    experts = sum(bool(_EXPERT.search(name)) for name in names)
    if found["layer"] is not None and experts == 1 and found["count"] is not None:
        order = [found[kind] for kind in ("step", "layer", "expert", "count") if found[kind] is not None]
        return _long(cells[:, [place for place in order if place is not None]], len(order) - 1)
    return _wide(cells, names)


def _plain(text: bytes) -> bytes:
    """Return the text as UTF-8 with bare line ends, without quotes, and without blanks around cells."""
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = text.decode("utf-16", "replace").encode()
    # Nothing here needs quotes, and polars panics on one alone where it wants a number.
    text = (
        text.removeprefix(b"\xef\xbb\xbf")
        .replace(b'"', b"")
        .replace(b"\r\n", b"\n")
        .replace(b"\r", b"\n")
        .lstrip(b"\n")
    )
    blank = re.compile(rb" *([,;\t]) *")
    first = text.partition(b"\n")[0]
    if any(mark in first for mark in _SEPARATORS[:3]):
        return blank.sub(rb"\1", text) if b" " in text else text
    return re.sub(rb"(?m)^ +| +$", b"", re.sub(rb" +", b" ", text))


def _separator(line: bytes) -> bytes:
    return next((mark for mark in _SEPARATORS if mark in line), b",")


def _names(line: bytes, separator: bytes) -> list[str] | None:
    """Return the header's names in small letters, None where the line is one of numbers already.

    pandas heads columns without names by 0, 1, 2, …
    """
    cells = [cell.strip().lower() for cell in line.decode("utf-8", "replace").split(separator.decode())]
    numbered = [str(place) for place in range(len(cells))]
    if len(cells) > 3 and (cells == numbered or ["", *numbered[:-1]] == cells):
        return cells
    return None if all(map(_is_number, cells)) else cells


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _numbers(body: bytes, separator: bytes, columns: int, line: int) -> _Cells:
    """Return the cells of lines, the first of which is number `line`.

    Raises `BadContent` with the first that is no number.
    """
    if not body:
        raise BadContent(_("it has no line of numbers"))
    if (body.count(b"\n") + 1) * columns > _MOST_CELLS:
        raise BadContent(_("it has more than {most} million cells").format(most=_MOST_CELLS >> 20))
    schema = {str(column): pl.Float64() for column in range(columns)}
    try:
        frame = pl.read_csv(
            body, has_header=False, schema=schema, separator=separator.decode(), quote_char=None
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        frame = pl.DataFrame(schema=schema)
    whole = frame.height == body.count(b"\n") + 1 and not any(cells.null_count() for cells in frame)
    if whole:
        return frame.to_numpy(order="c")
    for number, text in enumerate(body.split(b"\n"), line):
        found = text.decode("utf-8", "replace").split(separator.decode())
        if len(found) != columns:
            raise BadContent(
                _("line {line} has {found} columns, the first has {columns}").format(
                    line=number, found=len(found), columns=columns
                )
            )
        bad = next((cell for cell in found if not _is_number(cell)), None)
        if bad is not None:
            raise BadContent(
                _("line {line} holds {cell}, which is no number of tokens").format(
                    line=number, cell=visible(bad, 30) or _("an empty cell")
                )
            )
    raise BadContent(_("it is no table of numbers"))


def _checked(cells: _Cells) -> Table:
    counts = whole_tokens(cells)
    if int(counts.min()) < 0:
        raise BadContent(_("it holds a number below 0"))
    return counts


def _keys(cells: _Cells) -> int:
    """Return how many first columns of a table without header are keys, 0 where all hold counts.

    Keys of steps, layers and experts fill most of their range, and no two lines have the same.
    """
    keys = cells.shape[1] - 1
    if keys not in (2, 3) or len(cells) < 8:
        return 0
    numbers = cells[:, :keys]
    if not (np.isfinite(numbers) & (numbers >= 0) & (numbers == np.floor(numbers))).all():
        return 0
    room = float(np.prod(numbers.max(axis=0) - numbers.min(axis=0) + 1))
    return keys if room <= 4 * len(cells) and len(np.unique(numbers, axis=0)) == len(cells) else 0


def _long(cells: _Cells, keys: int) -> tuple[Table, list[str]]:
    """Return the counts of lines [step,] layer, expert, count."""
    counts = _checked(cells)
    step = _places(counts[:, 0]) if keys == 3 else np.zeros(len(counts), dtype=np.int64)
    layer, first = _layers(counts[:, keys - 2])
    expert = counts[:, keys - 1]
    tokens = _zeros(step, layer, expert)
    np.add.at(tokens, (step, layer, expert), counts[:, keys])
    notes = _layer_notes(first)
    if len(np.unique(np.stack([step, layer, expert]), axis=1).T) < len(counts):
        notes.append(_("Lines of the same layer and expert are added up."))
    return tokens, notes


def _wide(cells: _Cells, names: Sequence[str]) -> tuple[Table, list[str]]:
    """Return the counts of lines with a column for each expert, behind columns of step and layer if any."""
    heads = list(takewhile(bool, map(_head, names)))
    counts = _checked(cells)
    tokens = counts[:, len(heads) :]
    if not tokens.shape[1]:
        raise BadContent(_("it has no column of counts"))
    rows = np.arange(len(counts))
    step = _places(counts[:, heads.index("step")]) if "step" in heads else np.zeros_like(rows)
    if "layer" in heads:
        layer, first = _layers(counts[:, heads.index("layer")])
    elif (np.diff(step) < 0).any():
        raise BadContent(_("its steps are in no order"))
    else:
        # The lines of a step are its layers.
        layer, first = rows - np.searchsorted(step, step), 0
    found = _zeros(step, layer, np.array([tokens.shape[1] - 1]))
    np.add.at(found, (step, layer), tokens)
    return found, _layer_notes(first)


def _head(name: str) -> str:
    """Return what a column before those of experts tells: step, layer, index; empty for one of an expert."""
    if name in ("", "index", "unnamed: 0"):
        return "index"
    if _EXPERT.search(name):
        return ""
    return "layer" if _LAYER.search(name) else "step" if _STEP.search(name) else ""


def _places(ids: Table) -> Table:
    """Return the place of each id among those that there are."""
    places: Table = np.unique(ids, return_inverse=True)[1].reshape(-1)
    return places


def _layers(ids: Table) -> tuple[Table, int]:
    """Return the places of layers, which are counted from the first there is, and its number."""
    first = int(ids.min())
    return ids - first, first


def _layer_notes(first: int) -> list[str]:
    return (
        [_("Its layers are numbered from {first}, which is layer 0 here.").format(first=first)]
        if first
        else []
    )


def _zeros(step: Table, layer: Table, expert: Table) -> Table:
    shape = tuple(int(part.max()) + 1 for part in (step, layer, expert))
    if max(shape[1:]) > _MOST_ID or float(np.prod(shape, dtype=float)) > _MOST_CELLS:
        raise BadContent(_("it names more layers and experts than any model has"))
    return np.zeros(shape, dtype=np.int64)
