"""`dp.batch_size.skew` of several DP domains at once: together they carry more than the rest."""

from __future__ import annotations

from lbtui.analysis.expected import relative
from lbtui.analysis.groups import Group, are_two, find_group, measured_on
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.scan import RandomDispatch
from lbtui.findings.evidence import Binned
from lbtui.thresholds import Thresholds

_LEAST_SHARE = 0.4  # of the run


def find_group_skew(sent: Floats, binned: Binned, limits: Thresholds) -> Group | None:
    """Return the domains to which more was `sent` [domain, bin] together than a random dispatch would.

    The effect is that on the batch size, in which they are alike too, over much of the run. What they hold
    is no evidence by itself: slow domains hold requests longer, and long requests are remembered for long.
    None without any.
    """
    shares = limits.expected.of_domains(binned.domains)
    given = find_group(sent, RandomDispatch(shares), limits.p_value / 2)
    if given is None or given.last - given.first < _LEAST_SHARE * binned.loads.shape[1]:
        return None
    means = binned.loads[:, given.first : given.last].mean(axis=1)
    found = measured_on(given, binned.loads, shares)
    alike = are_two(means / relative(shares, len(means)), given.lanes)
    return found if alike and _is_large(limits, found) else None


def _is_large(limits: Thresholds, group: Group) -> bool:
    return group.ratio >= limits.dp_batch_ratio and group.own - group.others >= limits.dp_batch_excess


def is_member(group: Group, lane: int, window: tuple[int, int]) -> bool:
    """Tell whether what one lane carries more in a window is part of what the group does."""
    return lane in group.lanes and window[0] < group.last and group.first < window[1]
