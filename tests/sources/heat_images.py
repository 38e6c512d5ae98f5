"""Draws heat maps as msServiceProfiler draws them (shape of the figure, ticks, colour bar), in any shape."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

import matplotlib.pyplot as plt


@dataclass(frozen=True)
class Drawn:
    """One drawn map: where it is, and the shares, colour range and colour-bar ends it was drawn with."""

    path: Path
    shares: np.ndarray
    vmin: float
    vmax: float
    bar_top: float  # px from the top of the picture
    bar_bottom: float


def file_name(instance: str = "node-a", period: int = 0, view: str = "expert") -> str:
    return f"{instance}_eplb_{period}_summed_hot_map_by_{view}.png"


def draw(folder: Path, counts: np.ndarray, *, title: str = "node-a Summed Hot Map By Expert") -> Drawn:
    """Draw token counts [layer, column] into `folder` and return what was drawn."""
    sums = counts.sum(axis=1, keepdims=True)
    shares = counts / np.where(sums == 0, 1, sums)
    layers, columns = shares.shape
    figure = plt.figure(figsize=(max(min(columns // 8, 256), 8), max(min(layers // 8, 256), 8)))
    image = plt.imshow(shares)
    plt.title(title)
    plt.xlabel("Experts in Rank_0 to Rank_N")
    plt.ylabel("Decoder layers")
    plt.xticks(range(columns), [str(i) for i in range(columns)], rotation=90)
    plt.yticks(range(layers), [str(i) for i in range(layers)])
    bar = plt.colorbar()
    plt.tight_layout()
    path = folder / file_name()
    plt.savefig(path)
    box = bar.ax.get_window_extent()
    height = figure.get_figheight() * figure.dpi
    drawn = Drawn(path, shares, image.norm.vmin, image.norm.vmax, height - box.y1, height - box.y0)
    plt.close(figure)
    return drawn


def skewed_counts(layers: int, columns: int, seed: int = 0, hot: float = 8.0) -> np.ndarray:
    """Return token counts [layer, column] with a few hot columns, as expert heat has."""
    rng = np.random.default_rng(seed)
    counts = rng.gamma(6.0, 100.0, (layers, columns))
    counts[:, rng.integers(columns, size=max(1, columns // 40))] *= 1 + (hot - 1) * rng.random((layers, 1))
    return np.rint(counts)
