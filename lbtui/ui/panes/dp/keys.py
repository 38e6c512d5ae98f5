"""The DP pane's keys."""

from __future__ import annotations

from textual.binding import BindingType

from lbtui.text import _
from lbtui.ui.kit import keys
from lbtui.ui.kit.keys import key

BINDINGS: list[BindingType] = [
    *keys.columns(_("column")),
    *keys.rows(_("lane"), _("lanes")),
    *keys.zoom(_("the time")),
    key("dp.metric", "metric(1)", _("metric"), _("the next metric that has data"), shown=True),
    *keys.hot(_("next hot spot"), _("the next place that stands out, or changed, most first")),
    keys.filtered(_("only lanes (and passes) that match: part of a host, dp=2, host=NAME …")),
    keys.entered(_("round"), _("this scheduling round: cards, requests")),
    keys.SIDE,
    key("dp.metrics", "pick", _("metrics"), _("all metrics, to choose one; of those without data why")),
    key("dp.back", "column(-10)", _("time"), _("ten columns back")),
    key("dp.on", "column(10)", _("time"), _("ten columns on")),
    key("dp.statistic", "statistic", _("mean/max"), _("mean or worst value of each column"), shown=True),
    key(
        "dp.sort",
        "sort(1)",
        _("sort"),
        _("lanes: order by host, or by how far they stand out; table: by the next column"),
        shown=True,
    ),
    key("dp.sort-back", "sort(-1)", _("sort back"), _("table: sort by the previous column")),
    key("dp.reverse", "reverse", _("reverse"), _("table: reverse the order")),
    key("dp.table", "table", _("table"), _("lanes, or the table of forward passes"), shown=True),
    key("dp.chart", "chart", _("chart"), _("line chart of the metric against forward_iter"), shown=True),
    key("dp.what-if", "what_if", _("What-if"), _("what other routing of requests would bring, by replay")),
]
