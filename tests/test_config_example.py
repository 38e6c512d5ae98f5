"""The example of a config: a file that changes nothing, in which every setting is found."""

import sys
from dataclasses import fields

import pytest

from lbtui.cli import main
from lbtui.codes import OPENED
from lbtui.config import Config, from_file
from lbtui.config_example import config_example
from lbtui.keymap import FIXED, KEYS
from lbtui.manual import text_of
from lbtui.thresholds import TARGET_NAMES, Thresholds, described

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def uncommented():
    return "".join(
        line.removeprefix("#") if line.startswith("#") and not line.startswith("# ") else line
        for line in config_example().splitlines(keepends=True)
    )


def read(tmp_path, text):
    file = tmp_path / "config.toml"
    file.write_text(text, "utf-8")
    return from_file(file)


def test_as_it_is_printed_it_changes_nothing(tmp_path):
    assert read(tmp_path, config_example()) == Config()
    assert set(tomllib.loads(config_example())) == {"thresholds", "expected", "slo", "screen", "keys"}


def test_uncommented_it_sets_everything_that_there_is(tmp_path):
    document = tomllib.loads(uncommented())
    assert document["thresholds"] == {name: default for name, default, _meaning in described()}
    assert tuple(document["slo"]) == TARGET_NAMES
    assert document["screen"] == {"background": "auto", "language": "zh"}
    named = {f"{scope}.{name}" for scope, own in document["keys"].items() for name in own}
    assert named == KEYS.keys() - set(FIXED)
    assert set(document["expected"]) == {"domain", "node"}
    config = read(tmp_path, uncommented())
    assert config.thresholds.expected.domains == (("dp3", 0.5), ("node-a/dp4", 0.5))
    assert config.thresholds.expected.nodes == (("10.20.0.12:1025", 2.0),)
    # A new kind of setting has to come into the example, too.
    own = {"expected", "targets"}
    assert {f.name for f in fields(Thresholds)} == {*document["thresholds"], *own, "offer"}
    assert {f.name for f in fields(Config)} == {"thresholds", "background", "language", "keys"}
    # With their defaults, which change nothing.
    assert config.keys == {}


@pytest.mark.parametrize("name", [name for name, _default, _meaning in described()])
def test_a_setting_stands_below_its_meaning(name):
    lines = config_example().splitlines()
    (at,) = (i for i, line in enumerate(lines) if line.startswith(f"#{name} = "))
    meaning = next(text for known, _default, text in described() if known == name)
    above = []
    while lines[at - 1 - len(above)].startswith("# "):
        above.insert(0, lines[at - 1 - len(above)].removeprefix("# "))
    assert " ".join(above).endswith(meaning)


def test_it_is_printed_and_shown_in_the_manual(capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        main(["--config-example"])
    assert ended.value.code == OPENED
    assert capsys.readouterr() == (config_example(), "")
    assert max(map(len, config_example().splitlines())) <= 100
    own, example = (part.split("```")[0] for part in text_of("config").split("```toml\n")[1:])
    assert example in config_example()
    found = read(tmp_path, own)
    assert (found.language, set(found.keys)) == ("en", {"dp.metric", "common.zoom-in"})
