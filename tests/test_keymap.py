"""Keys by the ids of what they do: as they are written, printed and changed."""

from pathlib import Path

import pytest
from textual.binding import Binding
from textual.keys import _character_to_key

from lbtui.cli import main
from lbtui.codes import OPENED, USAGE
from lbtui.config import BadConfig, from_file
from lbtui.keymap import FIXED, KEYS, BadKey, clash, key_name, parsed, printed, shown_for, typed
from lbtui.manual import text_of
from lbtui.manual.keys import with_keys
from lbtui.ui.app import LbtuiApp
from lbtui.ui.kit.pages import Picker, TextPage
from lbtui.ui.panes.order import with_comparison
from lbtui.ui.panes.replay.pane import RatioPane, RoutingPane
from lbtui.ui.panes.requests.targets.pane import TargetsPane
from lbtui.ui.panes.runs.pane import RunsPane
from lbtui.ui.panes.sql.pane import SqlPane
from lbtui.ui.panes.what_if.pane import WhatIfPane

OWNERS = (*with_comparison(), WhatIfPane, RoutingPane, RatioPane, TargetsPane, SqlPane, RunsPane, LbtuiApp)
SIGNS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def config(tmp_path: Path, text: str):
    file = tmp_path / "config.toml"
    file.write_text(f"[keys]\n{text}\n", "utf-8")
    return from_file(file)


def test_every_binding_has_an_id_and_every_id_a_binding():
    bindings = [each for owner in OWNERS for each in owner.BINDINGS if isinstance(each, Binding)]
    assert {binding.id for binding in bindings} == set(KEYS)
    for binding in bindings:
        assert binding.key == KEYS[binding.id]
    # In one pane none stands for two actions.
    for owner in OWNERS:
        own = [each.id for each in owner.BINDINGS if isinstance(each, Binding)]
        assert len(own) == len(set(own))


def test_on_pages_only_what_moves_and_copies_follows_the_config():
    for page in (TextPage, Picker):
        known = [each.id for each in page.BINDINGS if isinstance(each, Binding) and each.id]
        assert set(known) <= {"common.up", "common.down", "app.copy", "app.copy-pane"}


def test_the_defaults_do_not_clash():
    assert clash({}) is None


def test_signs_are_called_what_textual_calls_them():
    for sign in SIGNS:
        assert key_name(sign) == _character_to_key(sign)
        assert printed(parsed(sign)) == sign


@pytest.mark.parametrize("name", list(KEYS))
def test_a_default_written_as_it_is_typed_is_read_as_itself(name):
    assert parsed(" ".join(map(typed, KEYS[name].split(",")))) == KEYS[name]


@pytest.mark.parametrize(
    ("text", "keys", "shown"),
    [
        ("x", "x", "x"),
        ("X", "X", "X"),
        ("ctrl+g", "ctrl+g", "^G"),
        ("alt+x", "alt+x", "Alt-x"),
        ("shift+tab", "shift+tab", "Shift-Tab"),
        ("F5 enter", "f5,enter", "F5 ⏎"),
        ("m m", "m", "m"),
        ("= ,", "equals_sign,comma", ","),
        ("=", "equals_sign", "="),
    ],
)
def test_keys_are_written_and_printed(text, keys, shown):
    assert parsed(text) == keys
    assert printed(keys) == shown


@pytest.mark.parametrize(
    "text", ["", " ", "bla", "ctrl+", "ctrl+i", "ctrl+m", "é", "中", "f13", "\x1b", "super+x"]
)
def test_what_is_no_key_is_refused(text):
    with pytest.raises(BadKey):
        parsed(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'dp.metrix = "x"',
            "[keys] has no dp.metrix; did you mean dp.metric? lbtui --manual keys lists all.",
        ),
        ('zzzz = "x"', "[keys] has no zzzz; lbtui --manual keys lists all."),
        ("dp.metric = 3", "[keys] dp.metric: a text is wanted"),
        ('dp.metric = ""', "[keys] dp.metric: it names no key."),
        ('dp.metric = "bla"', "[keys] dp.metric: bla is no key: a letter or sign, up, down"),
        ('dp.metric = "ctrl+i"', "[keys] dp.metric: a terminal cannot tell ctrl+i from Tab"),
        ('dp.metric = "n"', "[keys] n would be the key of common.next and of dp.metric; give one"),
        ('dp.metric = "ctrl+c"', "[keys] ^C would be the key of app.interrupt and of dp.metric"),
        ('app.quit = "w"', "[keys] w would be the key of app.quit and of dp.what-if"),
        ('app.interrupt = "x"', "[keys] app.interrupt keeps its key"),
        ('dp.metric.x = "m"', "[keys] dp.metric: a text is wanted"),
    ],
)
def test_a_mistake_is_a_sentence_that_names_the_file(tmp_path, text, said):
    with pytest.raises(BadConfig) as found:
        config(tmp_path, text)
    assert str(tmp_path / "config.toml") in str(found.value)
    assert said in str(found.value)


def test_keys_may_be_written_dotted_or_quoted_and_changed_places(tmp_path):
    text = 'dp.metric = "M"\n"dp.metrics" = "m"\npd.metric = "m"'
    assert config(tmp_path, text).keys == {"dp.metric": "M", "dp.metrics": "m"}
    # The same key in two panes is no clash.
    assert config(tmp_path, 'dp.metric = "d"').keys == {"dp.metric": "d"}


def test_a_last_line_names_the_new_keys():
    names = {"+": "common.zoom-in", "-": "common.zoom-out", "0": "common.whole", "↑": "common.up"}
    assert shown_for("+ - 0", names, {}) == "+ - 0"
    assert shown_for("+ - 0", names, {"common.whole": "f5,x"}) == "+ - F5"
    assert shown_for("↑↓←→", names, {"common.up": "e"}) == "e ↓ ← →"
    assert shown_for("Esc", names, {"common.up": "e"}) == "Esc"


def test_the_manual_lists_every_id_and_follows_the_config(tmp_path, capsys):
    page = text_of("keys")
    for name, keys in KEYS.items():
        rows = [line for line in page.splitlines() if line.endswith(f"| `{name}` |")]
        assert rows or name in FIXED, name
        assert all(line.startswith(f"| `{printed(keys)}` |") for line in rows), name
    assert with_keys(page, {}) == page
    changed = with_keys(page, {"dp.metric": "x", "common.zoom-in": "f5,plus", "app.help": "ctrl+g"})
    before, after = page.splitlines(), changed.splitlines()
    assert [new for old, new in zip(before, after, strict=True) if old != new] == [
        "| `F5` `+` `-` `0` | zoom in, out, all: the window of time that all panes share; in EP the map |",
        "| `^G` | every key and the formula of every number of this pane |",
        "| `x` | the next metric that has data | `dp.metric` |",
        "| `F5 +` | `common.zoom-in` |",
        "| `^G` | `app.help` |",
    ]
    file = tmp_path / "config.toml"
    file.write_text('[keys]\ndp.metric = "x"\n', "utf-8")
    assert main(["--manual", "keys", "--config", str(file)]) == OPENED
    assert "| `x` | the next metric that has data |" in capsys.readouterr().out
    file.write_text('[keys]\ndp.metric = "n"\n', "utf-8")
    assert main(["--manual", "keys", "--config", str(file)]) == OPENED
    assert capsys.readouterr().err.startswith(f"lbtui: {file}: [keys] n would be")
    assert main(["--demo", "--report", "--config", str(file)]) == USAGE
