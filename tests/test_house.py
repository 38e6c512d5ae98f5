"""The house has few rooms a floor, few arrows between them, and no circle (`python -m tests.tools.rooms`)."""

import pytest

from tests.tools.rooms import Plan, packages, plan


@pytest.mark.parametrize(
    ("package", "rooms", "arrows", "floors"), [("lbtui.ui", 16, 30, 6), ("lbtui.ui.panes", 9, 9, 4)]
)
def test_a_folder_has_few_rooms_and_arrows(package, rooms, arrows, floors):
    found = plan(package)
    assert 0 < len(found.rooms) <= rooms
    assert 0 < len(found.arrows) <= arrows
    assert found.floors <= floors


@pytest.mark.parametrize("package", packages())
def test_no_room_leads_back_to_itself(package):
    assert plan(package).circles == frozenset()


def test_a_circle_is_seen_and_floors_are_counted():
    rooms = frozenset("abcd")
    assert Plan(rooms, frozenset({("a", "b"), ("b", "c"), ("a", "d")})).floors == 3
    found = Plan(rooms, frozenset({("a", "b"), ("b", "c"), ("c", "b")}))
    assert found.circles == frozenset("bc")
