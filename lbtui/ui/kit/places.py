"""Where one pane leads to in another: the pane of each dimension, and what is to be shown there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lbtui.ui.kit.selection import Aim

# The key of the pane in which each dimension is seen.
PANES: Mapping[str, str] = {"dp": "2", "kv": "2", "pd": "3", "ep": "4", "requests": "5", "timeline": "7"}


@dataclass(frozen=True)
class Target:
    """The pane's key, the changes of the shared selection, and the aim that the pane takes once."""

    pane: str
    selection: Mapping[str, Any]
    aim: Aim


@dataclass(frozen=True)
class Subject:
    """Something of the profile that has a name: of which kind it is, what is said of it, where it is seen."""

    group: str
    name: str
    tells: str
    target: Target
