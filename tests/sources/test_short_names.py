"""Names of hosts and instances without what all of them share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.profile import short_names


@pytest.mark.parametrize(
    ("names", "short", "lettered"),
    [
        (["node-0"], ["node-0"], ["node-0"]),
        (["node-0", "node-1"], ["0", "1"], ["node-0", "node-1"]),
        (["a-node-0", "a-node-1"], ["0", "1"], ["node-0", "node-1"]),
        (["m-s-d0", "m-s-p0"], ["d0", "p0"], ["d0", "p0"]),
        (["10.0.0.1", "10.0.0.2"], ["10.0.0.1", "10.0.0.2"], ["10.0.0.1", "10.0.0.2"]),
        (["node-1 prefill", "node-1 decode"], ["1 prefill", "1 decode"], ["node-1 prefill", "node-1 decode"]),
        (["node-a.dc1.example.com", "node-b.dc1.example.com"], ["a", "b"], ["a", "b"]),
        (["node-0.dc1.local", "node-1.dc1.local"], ["0", "1"], ["node-0", "node-1"]),
        (["10.0.0.1", "10.0.1.1"], ["10.0.0.1", "10.0.1.1"], ["10.0.0.1", "10.0.1.1"]),
        (
            ["svc-rack1-long-common-x-0", "svc-rack2-long-common-x-1"],
            ["rack1-…-0", "rack2-…-1"],
            ["rack1-…-0", "rack2-…-1"],
        ),
        (["node", "node-1"], ["node", "node-1"], ["node", "node-1"]),
    ],
)
def test_what_all_share_is_left_out_up_to_a_dash(names, short, lettered):
    assert [short_names(names)[name] for name in names] == short
    assert [short_names(names, lettered=True)[name] for name in names] == lettered


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["10.0.0.1"], ["10.0.0.1"]),
        (["10.0.0.1", "10.0.0.12"], ["1", "12"]),
        (["10.0.1.1", "10.0.2.1"], ["1.1", "2.1"]),
        (["10.0.0.1:1025", "10.0.0.1:1026"], ["1:1025", "1:1026"]),
        (["m-s-d0.dc1.local", "m-s-p0.dc1.local"], ["d0", "p0"]),
        (["[fe80::1]", "[fe80::2]"], ["[fe80::1]", "[fe80::2]"]),
    ],
)
def test_addresses_behind_a_letter_lose_their_network_too(names, short):
    assert [short_names(names, dotted=True)[name] for name in names] == short


@given(
    st.sets(st.text("ab-.0", min_size=1, max_size=24), min_size=2, max_size=6), st.booleans(), st.booleans()
)
def test_what_is_told_apart_stays_so(names, lettered, dotted):
    assert len(set(short_names(names, lettered=lettered, dotted=dotted).values())) == len(names)
