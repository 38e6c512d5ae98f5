"""Shares that the config expects: what they silence, what they find, and how a slip in them is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lbtui.analysis.expected import expected_load, expected_multiple
from lbtui.analysis.imbalance import expected_maximum
from lbtui.analysis.scan import RandomDispatch, RandomStays, find_excess, find_held
from lbtui.config import BadConfig, from_file
from lbtui.findings import Finding, find_all, supporting_figures
from lbtui.findings.run import evidence_of
from lbtui.findings.words import figure_words
from lbtui.overview.run import overview
from lbtui.profile import Domain, Profile
from lbtui.thresholds import Expected, Thresholds
from tests.findings.service import Group, service
from tests.findings.test_cases import coordinator

HALF = Thresholds(expected=Expected(domains=(("dp3", 0.5),)))


def load(profile: Profile, limits: Thresholds | None = None) -> list[Finding]:
    return [f for f in find_all(profile, limits) if f.dimension != "data"]


def rates(*each: float) -> Group:
    return Group(domains=len(each), rate=lambda dp, _second: each[dp])


def test_a_share_is_over_that_of_the_others() -> None:
    loads = np.array([[6.0, 12.0], [6.0, 12.0], [3.0, 3.0]])
    shares = (1.0, 1.0, 0.5)
    assert expected_load(loads, 2, shares).tolist() == [3.0, 6.0]
    assert expected_load(loads, 0, shares).tolist() == [6.0, 10.0]  # (12 + 3) / 1.5
    assert expected_multiple(2, shares) == 0.5
    assert expected_multiple(0, ()) == 1.0


def test_a_name_with_its_host_goes_before_the_name_alone() -> None:
    expected = Expected(domains=(("dp0", 2.0), ("b-1/dp0", 3.0), ("c/dp1", 4.0)))
    domains = [Domain("k", "a", "a-1", 0), Domain("l", "b", "b-1", 0), Domain("m", "c", "c-1", 1)]
    assert expected.of_domains(domains) == (2.0, 3.0, 4.0)
    assert expected.of_domains(domains[:1]) == ()  # nothing to be unequal to
    assert expected.unknown(domains[2:], []) == (("dp0", 2.0), ("b-1/dp0", 3.0))


def test_the_largest_of_unequal_poisson_numbers() -> None:
    assert expected_maximum(7.0, 3, (1.0, 1.0, 1.0)) == pytest.approx(expected_maximum(7.0, 3))
    drawn = np.random.default_rng(1).poisson([4.0, 4.0, 16.0], (200_000, 3)).max(axis=1).mean()
    assert expected_maximum(8.0, 3, (0.5, 0.5, 2.0)) == pytest.approx(float(drawn), rel=0.003)
    assert expected_maximum(1e6, 2, (1.0, 4.0)) == pytest.approx(1.6e6)


@pytest.mark.parametrize("shares", [(1.0, 1.0, 0.25, 1.0), (4.0, 1.0), (1.0, 2.0, 3.0, 0.5, 1.0, 1.0)])
def test_loads_in_their_shares_are_found_as_seldom_as_chance_allows(shares: tuple[float, ...]) -> None:
    means = 5.0 * np.array(shares)[:, None] * np.ones(40)
    drawn = [np.random.default_rng(seed).poisson(means).astype(float) for seed in range(60)]
    limits = {"least_ratio": 1.0, "least_excess": 0.0, "p_value": 0.05}
    given = sum(bool(find_excess(each, RandomDispatch(shares), **limits)) for each in drawn)
    held = sum(bool(find_excess(each, RandomStays.like(each, shares), **limits)) for each in drawn)
    assert max(given, held) <= 8  # 3 expected; above 8 has a chance of 0.003
    assert sum(bool(find_held(each, shares=shares, **limits)) for each in drawn) <= 8
    assert all(find_excess(each, RandomDispatch(), **limits) for each in drawn)


def test_a_domain_meant_to_carry_half_is_told_with_what_it_carries(tmp_path: Path) -> None:
    (told,) = load(service(tmp_path, rates(8, 8, 8, 4)), HALF)
    assert (told.id, told.severity, told.subject["dp_rank"], told.expected) == ("dp.expected", "info", 3, 0.5)
    assert told.message.endswith(f"0.50× its peers' batch size (config); it carries {told.value:.2f}×.")
    assert 0.36 < told.value < 0.64
    assert figure_words(told).endswith("× its peers' batch, 0.50 expected")


def test_a_domain_meant_to_carry_half_that_carries_as_much_as_others_is_a_skew(tmp_path: Path) -> None:
    found = load(service(tmp_path, rates(8, 8, 8, 8)), HALF)
    (skew,) = [f for f in found if f.severity != "info"]
    assert (skew.id, skew.subject["dp_rank"], skew.expected) == ("dp.batch_size.skew", 3, 0.5)
    assert skew.value == pytest.approx(2.0, abs=0.35)
    assert "that it is expected to carry: 0.50× its peers' (config)" in skew.message
    assert figure_words(skew).endswith("× its expected batch")


@pytest.mark.parametrize(("each", "limits"), [((4, 4, 12, 4), ("dp2", 3.0)), ((4, 12), ("dp0", 1 / 3))])
def test_a_skew_that_is_expected_is_a_remark(
    tmp_path: Path, each: tuple[float, ...], limits: tuple[str, float]
) -> None:
    profile = service(tmp_path, rates(*each))
    (plain,) = load(profile)
    assert (plain.id, plain.severity) == ("dp.batch_size.skew", plain.severity)
    found = load(profile, Thresholds(expected=Expected(domains=(limits,))))
    assert {f.severity for f in found} == {"info"}
    (remark,) = [f for f in found if f.id == plain.id]
    assert (remark.value, remark.subject) == (plain.value, plain.subject)
    assert remark.expected == pytest.approx(3.0)
    assert remark.message.startswith(plain.message)
    assert "The config expects 3.00× its peers'" in remark.message


def test_more_tokens_than_expected_and_as_many(tmp_path: Path) -> None:
    group = Group(domains=4, prompt={1: 4.0})
    profile = service(tmp_path, group)
    limits = Thresholds(expected=Expected(domains=(("dp1", 4.0),)))
    (plain,) = [f for f in load(profile) if f.id == "dp.tokens.skew"]
    assert plain.severity != "info"
    assert [f.severity for f in load(profile, limits) if f.id == "dp.tokens.skew"] == ["info"]
    less = Thresholds(expected=Expected(domains=(("dp1", 2.0),)))
    (found,) = [f for f in load(profile, less) if f.id == "dp.tokens.skew"]
    assert found.value == pytest.approx(plain.value / 2)
    assert "2.00× its peers' (config)" in found.message


def test_blocks_in_use_follow_the_expected_share_and_the_pool(tmp_path: Path) -> None:
    profile = service(tmp_path, Group(pool=lambda _d: 120, blocks=lambda dp: 10 if dp == 2 else 2), kv=True)
    assert [f.id for f in load(profile)] == ["kv.skew"]
    found = load(profile, Thresholds(expected=Expected(domains=(("dp2", 5.0),))))
    assert [f.severity for f in found if f.id == "kv.skew"] == ["info"]


def test_a_smaller_pool_is_expected_of_a_domain_that_is_to_carry_less(tmp_path: Path) -> None:
    group = replace(rates(8, 8, 8, 4), pool=lambda dp: 500 if dp == 3 else 1000)
    profile = service(tmp_path, group, kv=True)
    assert [f.id for f in load(profile)] == ["kv.skew"]
    assert {f.severity for f in load(profile, HALF)} == {"info"}


def test_a_domain_that_gets_less_than_expected_is_a_warning(tmp_path: Path) -> None:
    found = load(service(tmp_path, rates(8, 8, 8, 8)), Thresholds(expected=Expected(domains=(("dp1", 2.0),))))
    (short,) = [f for f in found if f.id == "dp.expected"]
    assert (short.severity, short.subject["dp_rank"]) == ("warning", 1)
    assert short.value < short.threshold


def test_nodes_are_judged_by_their_weights(tmp_path: Path) -> None:
    profile = coordinator(tmp_path, (120, 60, 60))
    weight = Expected(nodes=(("10.0.0.11:1025", 2.0),))
    (plain,) = load(profile)
    (remark,) = load(profile, Thresholds(expected=weight))
    assert (plain.id, remark.id, remark.severity) == ("pd.node.skew", "pd.node.skew", "info")
    # 240 requests, of which it is to get half: chance alone makes that 2 / 1.33 of an equal share.
    (figure, *_shares) = [f for f in overview(profile, expected=weight).figures() if f.metric == "added"]
    assert figure.chance == pytest.approx(1.5, abs=0.01)
    figures = supporting_figures(evidence_of(profile), Thresholds(expected=weight))
    assert "expected by the config 50 %" in figures[0].text


def test_a_node_beyond_or_below_its_weight(tmp_path: Path) -> None:
    profile = coordinator(tmp_path, (80, 80, 80))
    address = "10.0.0.12:1025"
    half = load(profile, Thresholds(expected=Expected(nodes=((address, 0.5),))))
    (skew,) = [f for f in half if f.severity != "info"]
    assert (skew.id, skew.subject["address"]) == ("pd.node.skew", address)
    assert 80 / 240 / 0.2 <= skew.value < 2.1  # in that part of the run that stands out most
    assert "0.50× its peers' (config)" in skew.message
    (short,) = [
        f
        for f in load(profile, Thresholds(expected=Expected(nodes=((address, 4.0),))))
        if f.id == "pd.expected"
    ]
    assert (short.severity, short.subject["address"]) == ("warning", address)


def test_entries_that_name_nothing_are_one_note(tmp_path: Path) -> None:
    limits = Thresholds(expected=Expected(domains=(("dp9\x1b[31m", 0.5),), nodes=(("10.9.9.9:1", 2.0),)))
    profile = service(tmp_path, rates(5, 5))
    (note,) = [f for f in find_all(profile, limits) if f.id == "data.expected.unknown"]
    assert "10.9.9.9:1" in note.message
    assert "dp9" in note.message
    assert "\x1b" not in note.message
    assert load(profile, limits) == load(profile) == []


@pytest.mark.parametrize(
    "text",
    [
        "[expected]\nrank.dp3.share = 1\n",
        '[expected]\ndomain."dp3".share = "x"\n',
        '[expected]\ndomain."dp3".share = true\n',
        '[expected]\ndomain."dp3".share = 0\n',
        '[expected]\ndomain."dp3".share = -1\n',
        '[expected]\ndomain."dp3".share = nan\n',
        '[expected]\ndomain."dp3".share = inf\n',
        '[expected]\ndomain."dp3".share = 1e9\n',
        f'[expected]\ndomain."dp3".share = 1{"0" * 400}\n',
        '[expected]\ndomain."dp3".weight = 1\n',
        '[expected]\ndomain."dp3" = 1\n',
        '[expected]\nnode."a:1".share = 1\n',
        "[expected]\ndomain = 3\n",
        "expected = 3\n",
        "[[expected]]\n",
        "thresholds = 3\n",
        f"[thresholds]\np_value = 1{'0' * 400}\n",
        f"[thresholds]\np_value = 1{'0' * 9000}\n",
        f"a = {'[' * 5000}\n",
    ],
)
def test_a_slip_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(BadConfig) as raised:
        from_file(path)
    assert str(path) in str(raised.value)
    assert str(raised.value).endswith(".")


def test_the_shares_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[expected]\ndomain."dp3".share = 0.5\nnode."10.20.0.12:1025".weight = 2\n')
    assert from_file(path).thresholds.expected == Expected((("dp3", 0.5),), (("10.20.0.12:1025", 2.0),))
