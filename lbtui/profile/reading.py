"""One way to see a run: what the parser wrote of it, or what was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Reading:
    """A parsed output, or with `raw` the raw profile, that is opened at a path."""

    path: Path
    raw: bool = False
