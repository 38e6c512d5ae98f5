"""`--what-if routing` and `--what-if ratio`: as text, Markdown and JSON, and where there is no answer."""

import json

import pytest

from lbtui.cli import main
from lbtui.findings.replay import formulas, words
from lbtui.findings.replay.what_if import prepared, ratio_answer_of, routing_of
from lbtui.manual import text_of
from lbtui.sources import open_profile
from tests.sources.engines import unpacked
from tests.tools.screens import DEMO, PREFILLING, QUEUEING, targets

FIGURES = [
    "ttft_p50",
    "ttft_p95",
    "tpot_p50",
    "tpot_p95",
    "e2e_p50",
    "e2e_p95",
    "par",
    "throughput",
    "goodput",
]
ROUTING = [str(QUEUEING), "--what-if", "routing", "--slo", "ttft=500,tpot=60"]


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return unpacked(PREFILLING, tmp_path_factory.mktemp("raw") / "PROF_DIR")


def printed(arguments, capsys):
    assert main([str(each) for each in arguments]) == 0
    out = capsys.readouterr()
    assert out.err == ""
    return out.out


def answered(arguments, capsys):
    found = json.loads(printed([*arguments, "--json"], capsys))
    assert found["schema"] == 1
    (answer,) = found["what_if"].values()
    return answer


def keys(value):
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys(item)


def test_routing_as_text_and_markdown(capsys):
    found = routing_of(prepared(open_profile(QUEUEING), targets(500, 60)))
    sentence, *_others = words.routing_sentences(found, "goodput")
    text = printed(ROUTING, capsys)
    lines = text.splitlines()
    assert lines[0] == "What if requests were routed otherwise?"
    assert lines[4] == f"  {sentence}"
    assert "  133 requests, targets TTFT ≤ 500 ms, TPOT ≤ 60 ms" in lines
    order = [words.POLICY_LABELS[row.policy] for row in words.ranked_policies(found, "goodput")]
    heads = next(place for place, line in enumerate(lines) if line.startswith("  policy "))
    for line, name in zip(lines[heads + 1 :], order, strict=False):
        assert line.startswith(f"  {name} ")
    # Every policy with all its figures, but the recorded one.
    assert [line for line in lines if line in order] == [name for name in order if name != "as recorded"]
    assert all(f"  {formula}" in lines for formula in formulas.ROUTING_FORMULAS)
    page = printed([*ROUTING, "--report", "markdown"], capsys)
    assert page.startswith("# What if requests were routed otherwise?\n")
    assert "| figure | recorded | replayed | off | steps −2 % | steps +2 % | self-test |" in page
    assert printed([*ROUTING, "--ascii"], capsys).isascii()


def test_routing_as_json_is_what_the_replay_says(capsys):
    found = routing_of(prepared(open_profile(QUEUEING), targets(500, 60)))
    answer = answered(ROUTING, capsys)
    assert (answer["advises"], answer["requests"], answer["ranked_by"]) == (True, 133, "goodput")
    assert answer["targets"] == {"ttft": 500.0, "tpot": 60.0, "e2e": None, "unit": "ms"}
    assert answer["self_test"]["holds"]
    assert [row["figure"] for row in answer["self_test"]["figures"]] == FIGURES[:-1]
    rows = words.ranked_policies(found, "goodput")
    assert [one["policy"] for one in answer["policies"]] == [row.policy for row in rows]
    for one, row in zip(answer["policies"], rows, strict=True):
        assert one["figures"] == pytest.approx(dict(row.answer.figures))
        assert list(one["figures"]) == FIGURES
        if row.policy == "recorded":
            assert one["differences"] is None
            continue
        for name in FIGURES:
            difference = row.answer.differences[name]
            assert one["differences"][name] == pytest.approx(
                {"value": difference.value, "low": difference.low, "high": difference.high}
            )
            verdict = row.answer.better(name)
            assert (name in one["better"], name in one["worse"]) == (verdict is True, verdict is False)


def test_ratio_as_text_and_json(raw, capsys):
    arguments = [raw, "--what-if", "ratio", "--slo", "ttft=600,tpot=40"]
    found = ratio_answer_of(prepared(open_profile(raw), targets(600, 40)))
    text = printed(arguments, capsys)
    assert f"  {words.ratio_sentences(found)[0]}" in text.splitlines()
    answer = answered(arguments, capsys)
    best = found.ratio.best().shape
    assert answer["present"] == {"prefill": 2, "decode": 2}
    assert answer["best"] == {"prefill": best.prefill, "decode": best.decode}
    assert (answer["knee"], answer["knee_looked_for_up_to"]) == (found.ratio.knee, 3.0)
    assert len(answer["shapes"]) == len(found.ratio.rows) == 36
    for one, row in zip(answer["shapes"], found.ratio.rows, strict=True):
        assert (one["prefill"], one["decode"], one["load"]) == (row.shape.prefill, row.shape.decode, row.load)
        assert one["goodput_per_node"] == pytest.approx(row.per_node)
        own = row.shape == found.ratio.present
        assert (one["difference"] is None) == (own or row.load != 1.0)


def test_the_same_input_gives_the_same_bytes(raw, capsys):
    for arguments in ([*ROUTING, "--json"], [raw, "--what-if", "ratio", "--json"]):
        assert printed(arguments, capsys) == printed(arguments, capsys)


def test_where_there_is_no_answer_it_says_why(raw, capsys):
    answer = answered([QUEUEING, "--what-if", "ratio"], capsys)
    assert answer["answer"] == "No answer: prefill and decode have no nodes of their own."
    assert (answer["advises"], answer["shapes"], answer["best"]) == (False, [], None)
    text = printed([QUEUEING.parent / "linked_ids", "--what-if", "routing"], capsys)
    assert "  No answer: " in text
    assert "self-test" not in text.split("Formulas")[0]


def test_of_the_demo_every_field_is_described_and_a_failing_self_test_advises_nothing(raw, capsys):
    found = [answered([DEMO, "--what-if", name], capsys) for name in ("routing", "ratio")]
    for answer in found:
        assert answer["advises"] == answer["self_test"]["holds"]
        if not answer["advises"]:
            assert answer["answer"].startswith("No advice: ")
            assert not answer.get("policies")
            assert not answer.get("shapes")
    found += [answered(ROUTING, capsys), answered([raw, "--what-if", "ratio"], capsys)]
    described = text_of("json")
    assert {key for answer in found for key in keys(answer) if f"`{key}`" not in described} == set()
