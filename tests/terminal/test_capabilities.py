import pytest

from lbtui.render.capabilities import Capabilities, detect

UTF8 = {"LANG": "C.UTF-8"}


@pytest.mark.parametrize(
    ("environ", "colors"),
    [
        ({"TERM": "xterm-256color"}, "256"),
        ({"TERM": "tmux-256color"}, "256"),
        ({"TERM": "screen-256color"}, "256"),
        ({"TERM": "xterm-kitty"}, "256"),
        ({"TERM": "xterm"}, "16"),
        ({"TERM": "screen"}, "16"),
        ({"TERM": "screen.xterm", "COLORTERM": "truecolor"}, "16"),
        ({"TERM": "linux", "COLORTERM": "truecolor"}, "16"),
        ({"TERM": "xterm", "COLORTERM": "24bit"}, "truecolor"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1", "COLORTERM": "truecolor"}, "none"),
        # An empty NO_COLOR says nothing.
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, "256"),
        ({}, "16"),
    ],
    ids=str,
)
def test_depth_of_colour(environ, colors):
    assert detect({**UTF8, **environ}, "utf-8") == Capabilities(colors)


@pytest.mark.parametrize(
    ("environ", "encoding", "coerced", "unicode"),
    [
        ({"LANG": "en_US.UTF-8"}, "utf-8", False, True),
        ({"LC_CTYPE": "UTF-8"}, "UTF-8", False, True),
        ({"LANG": "C"}, "utf-8", False, False),
        ({"LANG": "C.UTF-8", "LC_ALL": "C"}, "utf-8", False, False),
        ({"LANG": "C.UTF-8"}, "ascii", False, False),
        ({"LANG": "C.UTF-8"}, None, False, False),
        ({}, "utf-8", False, False),
        # Python made the locale UTF-8 for itself.
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, "utf-8", True, False),
        ({"LANG": "C.UTF-8"}, "utf-8", True, True),
    ],
    ids=str,
)
def test_glyphs(environ, encoding, coerced, unicode):
    assert detect(environ, encoding, coerced=coerced).unicode is unicode


def test_what_the_user_chooses_wins():
    environ = {**UTF8, "TERM": "linux", "NO_COLOR": "1"}
    assert detect(environ, "utf-8", colors="truecolor") == Capabilities("truecolor")
    assert detect(environ, "utf-8", ascii_only=True) == Capabilities("none", unicode=False)


@pytest.mark.parametrize(
    ("value", "light"),
    [
        ("0;15", True),
        ("0;7", True),
        ("0;default;15", True),
        ("15;0", False),
        ("15;8", False),
        ("7;default", False),
        ("15", True),
        ("", False),
        ("0;255", False),
        ("\x1b[31m;;", False),
    ],
)
def test_the_background_that_the_environment_names(value, light):
    assert detect({**UTF8, "COLORFGBG": value}, "utf-8").light is light
    assert detect({**UTF8, "COLORFGBG": value}, "utf-8", colors="16").light is light
