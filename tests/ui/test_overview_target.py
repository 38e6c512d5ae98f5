"""Where Enter on a finding leads: to the pane that shows it, or to its details where none does."""

from pathlib import Path

import pytest

from lbtui.findings import find_all
from lbtui.findings.diagnosis import diagnose
from lbtui.findings.model import Cost, Finding
from lbtui.findings.pictures import Drawn
from lbtui.overview.run import overview
from lbtui.sources import open_profile
from lbtui.ui.kit.places import PANES
from lbtui.ui.kit.selection import Aim
from lbtui.ui.panes.overview.target import target_of

DATA = Path(__file__).parents[1] / "data"
DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"


def apart(**subject):
    told = ("", 9.0, 5.0, Cost(None, "", ""), "", "", "", 1.0)
    return Drawn(Finding("data.clock.skew", "warning", subject, *told), None)


def test_clocks_apart_lead_to_the_lanes_of_the_host_or_to_the_hand_offs():
    known = overview(open_profile(DEMO))
    host = known.domains[3].host
    first = next(domain for domain in known.domains if domain.host == host)
    lanes = target_of(apart(instance=known.domains[3].instance, host=host), known)
    assert (lanes.pane, lanes.selection["domain"]) == ("2", first.key)
    pulls = target_of(apart(host=host), known)
    assert (pulls.pane, pulls.aim) == ("3", Aim(handoffs=True))


@pytest.mark.parametrize("folder", [DEMO, DATA / "pd_ep"])
def test_every_finding_leads_to_the_pane_of_its_dimension(folder):
    profile = open_profile(folder)
    known = overview(profile)
    found = diagnose(profile, known.window).found
    assert len({each.finding.dimension for each in found}) > 1
    for each in found:
        target = target_of(each, known)
        dimension = each.finding.dimension
        assert (target.pane if target else None) == PANES.get(dimension), each.finding.id


def test_a_finding_on_the_data_leads_to_no_pane():
    profile = open_profile(DATA / "csv_only")
    (missing, *_more) = [f for f in find_all(profile) if f.id == "data.missing"]
    assert target_of(Drawn(missing, None), overview(profile)) is None
