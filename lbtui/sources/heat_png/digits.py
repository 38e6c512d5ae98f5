"""Recognises the few characters of matplotlib's tick labels by shape (DejaVu Sans, 10 pt at 100 dpi)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Rows of ink from top to bottom, one hexadecimal digit a pixel: 0 paper, f ink.
_SHAPES = {
    "0": "005dfd40/04f517f3/0ba000ca/0f60008d/0f50007f/0f50007f/0f60008d/0ba000ca/04f517f3/005dfd40",
    "1": "06cf500/693f500/000f500/000f500/000f500/000f500/000f500/000f500/000f500/4fffff9",
    "2": "3aeeb30/b5119e1/00000f6/00001f5/0000ae0/0008f30/008f300/07f3000/7f30000/ffffff8",
    "3": "19efc50/86106f4/00000e7/00005f3/02fff50/00016f4/00000bb/00000bb/a3017f5/3bfec40",
    "4": "00006fa00/0003eca00/000d4ba00/00a90ba00/05d00ba00/2e300ba00/5fffffff2/00000ba00/00000ba00"
    "/00000ba00",
    "5": "7fffff0/7c00000/7c00000/7ffeb20/6512af1/00000e8/00000ba/00000e8/a302af2/3bfeb20",
    "6": "01aee90/1eb2065/8e00000/d900000/f8bfe80/ff503e9/eb0007f/ab0007e/3f503e9/04dfd80",
    "7": "dfffffa/00002f5/00008e0/0000e90/0004f20/000bc00/001f600/007f000/00d9000/03f3000",
    "8": "08efd80/9e304f7/c9000ba/6e303e5/08fff70/8e304e6/f60008d/f60008d/ae304e8/08efd80",
    "9": "009efc30/0ad206f2/0f5000c9/0f5000cc/0bd206fe/019efa9e/000000ac/000001f7/06502bc0/01afe910",
    ".": "8f/8f",
    "-": "8ffffffff4",
    "e": "007dfd60/07d303e5/0f40007b/3ffffffd/3f200000/0f700000/08f50167/006dfd91",
    "+": "0000b70000/0000b70000/0000b70000/0000b70000/8ffffffff4/0000b70000/0000b70000/0000b70000/0000b70000",
}
_SIDE = 15  # px; a canvas that holds any one character, centred
_WIDEST = 12  # px; wider ink is two characters that touch
_FAINT = 0.15
# Cosine between ink and shape. Drawn by matplotlib 3.7 and 3.11 at any fraction of a pixel, the right
# shape scores 0.81 or more (a minus; digits 0.89) and the next best at least 0.06 less.
_ALIKE = 0.75
_APART = 0.02


def read_text(ink: NDArray[np.float64]) -> str | None:
    """Return the characters of one line of text, or None when one is not recognised.

    `ink` is float64 [y, x], 0 paper to 1 black. The answer is made of digits and `.`, `-`, `e`, `+`; it is
    None, too, when there is no ink.
    """
    glyphs = _split(ink)
    if not glyphs:
        return None
    scores = np.stack([_centred(glyph) for glyph in glyphs]) @ _MASTERS.T
    ranked = np.sort(scores, axis=1)
    if ranked[:, -1].min() < _ALIKE or (ranked[:, -1] - ranked[:, -2]).min() < _APART:
        return None
    return "".join(_CHARACTERS[best] for best in scores.argmax(axis=1))


def _split(ink: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the ink of each character, left to right."""
    inked = np.concatenate(([False], ink.max(axis=0, initial=0) > _FAINT, [False]))
    edges = np.flatnonzero(np.diff(inked.astype(np.int8))).reshape(-1, 2)
    glyphs = []
    for start, stop in edges.tolist():
        while stop - start > _WIDEST:
            # Digits are 8.8 px apart: the thinnest place near there is the gap.
            cut = start + 6 + int(ink[:, start + 6 : start + 11].sum(axis=0).argmin())
            glyphs.append(ink[:, start:cut])
            start = cut
        glyphs.append(ink[:, start:stop])
    return glyphs


def _centred(ink: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `ink` with its centre of mass in the middle of a canvas, flat and of length 1.

    Moving by fractions of a pixel makes the comparison independent of where the text was placed.
    """
    height, width = ink.shape
    total = ink.sum()
    down = _SIDE / 2 - 0.5 - float((ink.sum(axis=1) * np.arange(height)).sum() / total)
    right = _SIDE / 2 - 0.5 - float((ink.sum(axis=0) * np.arange(width)).sum() / total)
    canvas = _mover(_SIDE, height, down) @ ink @ _mover(_SIDE, width, right).T
    return np.asarray(canvas.ravel() / np.linalg.norm(canvas), dtype=np.float64)


def _mover(target: int, source: int, shift: float) -> NDArray[np.float64]:
    """Return the matrix [target, source] that moves samples by `shift`, linear between pixels."""
    distance = np.abs(np.arange(target)[:, None] - (np.arange(source)[None, :] + shift))
    return np.asarray(np.clip(1 - distance, 0, None), dtype=np.float64)


def _master(shape: str) -> NDArray[np.float64]:
    return _centred(np.array([[int(pixel, 16) / 15 for pixel in row] for row in shape.split("/")]))


_CHARACTERS = list(_SHAPES)
_MASTERS = np.stack([_master(shape) for shape in _SHAPES.values()])
