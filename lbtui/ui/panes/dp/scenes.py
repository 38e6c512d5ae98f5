"""What tells the kept views of the DP pane apart, and a metric made before it is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from lbtui.analysis.data_parallel import Metric, MetricKey
from lbtui.ui.kit.selection import Side
from lbtui.ui.panes.dp.data import DpData, Measured, Scene, measure, scene
from lbtui.ui.panes.dp.layout import DpState, layout, view_window


@dataclass(frozen=True)
class SceneKey:
    """All that the scenes of a view depend on. `window` is of after, None for all."""

    metric: MetricKey
    window: tuple[int, int] | None
    columns: int
    side: Side


@dataclass(frozen=True)
class Ahead:
    """A metric of steps of one profile, in the window that was shown."""

    key: SceneKey
    measured: Measured
    scene: Scene


def made_ahead(chosen: Metric, data: DpData, state: DpState, width: int, height: int) -> Ahead:
    """Return all that a key which asks for the metric would have to compute."""
    measured = measure(chosen, data, data.steps)
    columns = layout(measured, width, height).columns
    key = SceneKey(chosen.key, state.window, columns, "after")
    return Ahead(key, measured, scene(measured, view_window(state, data), columns))
