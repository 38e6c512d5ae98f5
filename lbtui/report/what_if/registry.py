"""Which what-ifs there are: a name of the command line, and what answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lbtui.profile import Profile
from lbtui.report.what_if.answer import Answer, Asked
from lbtui.report.what_if.eplb import eplb
from lbtui.report.what_if.replay import ratio, routing

# The names stand in `lbtui.options.WHAT_IFS` too, where nothing large is imported.
ANSWERS: Mapping[str, Callable[[Profile, Asked], Answer]] = {"EPLB": eplb, "routing": routing, "ratio": ratio}
