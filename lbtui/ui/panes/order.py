"""The panes, in the order of their keys: five of one profile, and the sixth of two."""

from lbtui.ui.kit.pane import Pane
from lbtui.ui.panes.dp.table import DpTablePane
from lbtui.ui.panes.ep.pane import EpPane
from lbtui.ui.panes.overview.pane import OverviewPane
from lbtui.ui.panes.pd.pane import PdPane
from lbtui.ui.panes.requests.pane import RequestsPane

PANES: tuple[type[Pane], ...] = (OverviewPane, DpTablePane, PdPane, EpPane, RequestsPane)


def with_comparison() -> tuple[type[Pane], ...]:
    """Return the panes of two profiles, imported when there are two."""
    from lbtui.ui.panes.compare.pane import ComparePane

    return (*PANES, ComparePane)
