"""The panes, in the order of their keys: six of one profile, and the sixth in order of two."""

from lbtui.ui.kit.pane import Pane
from lbtui.ui.panes.dp.table import DpTablePane
from lbtui.ui.panes.ep.pane import EpPane
from lbtui.ui.panes.overview.pane import OverviewPane
from lbtui.ui.panes.pd.pane import PdPane
from lbtui.ui.panes.requests.pane import RequestsPane
from lbtui.ui.panes.timeline.pane import TimelinePane

PANES: tuple[type[Pane], ...] = (OverviewPane, DpTablePane, PdPane, EpPane, RequestsPane, TimelinePane)


def with_comparison() -> tuple[type[Pane], ...]:
    """Return the panes of two profiles, imported when there are two."""
    from lbtui.ui.panes.compare.pane import ComparePane

    return (*PANES[:-1], ComparePane, PANES[-1])
