"""Names of hosts and instances without what all of them begin with."""

import pytest

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
        (["node", "node-1"], ["node", "node-1"], ["node", "node-1"]),
    ],
)
def test_what_all_begin_with_is_left_out_up_to_a_dash(names, short, lettered):
    assert [short_names(names)[name] for name in names] == short
    assert [short_names(names, lettered=True)[name] for name in names] == lettered
