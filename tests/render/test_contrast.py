"""What stands out on a screen, and by how much: contrast as WCAG 2 has it, computed here by itself.

The background is black, or white. Of the sixteen colours every terminal makes its own: of the values of five
usual ones the middle counts.
"""

from itertools import combinations, pairwise
from statistics import median

import pytest

from lbtui.render import palette
from lbtui.render.capabilities import Capabilities

TEXT, MARK = 4.5, 3.0
# xterm, the Linux console (VGA), Windows Terminal (Campbell), Terminal.app, GNOME (Tango): colours 0..15.
TERMINALS = (
    "000000cd000000cd00cdcd000000eecd00cd00cdcde5e5e57f7f7fff000000ff00ffff005c5cffff00ff00ffffffffff",
    "000000aa000000aa00aa55000000aaaa00aa00aaaaaaaaaa555555ff555555ff55ffff555555ffff55ff55ffffffffff",
    "0c0c0cc50f1f13a10ec19c000037da8817983a96ddcccccc767676e7485616c60cf9f1a53b78ffb4009e61d6d6f2f2f2",
    "00000099000000a6009999000000b2b200b200a6b2bfbfbf666666e5000000d900e5e5000000ffe500e500e5e5e5e5e5",
    "2e3436cc00004e9a06c4a0003465a475507b06989ad3d7cf555753ef29298ae234fce94f729fcfad7fa834e2e2eeeeec",
)  # fmt: skip
COLOURED = [
    Capabilities(colors, light=light) for colors in ("truecolor", "256", "16") for light in (False, True)
]


def luminance(color):
    parts = [part / 255 for part in color]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def ratio(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def values(color, caps):
    """Return what terminals make of a colour: one value, or of the sixteen each terminal's."""
    if caps.colors != "16":
        return [tuple(color.get_truecolor())]
    return [tuple(bytes.fromhex(terminal)[3 * color.number :][:3]) for terminal in TERMINALS]


def ground(caps):
    return (255, 255, 255) if caps.light else (0, 0, 0)


def contrast(color, caps, against=None):
    """Return the middle of what terminals show of a colour on the background, or on another colour."""
    shown = values(color, caps)
    grounds = [ground(caps)] * len(shown) if against is None else values(against, caps)
    return median(ratio(one, other) for one, other in zip(shown, grounds, strict=True))


def severities(caps):
    return {level: palette.severity(caps, level) for level in ("critical", "warning", "info")}


@pytest.mark.parametrize("caps", COLOURED, ids=str)
def test_text_can_be_read(caps):
    texts = {
        **severities(caps),
        "better": palette.better(caps),
        "accent": palette.accent(caps),
        "selected": palette.selected(caps),
        "dim": palette.dim(caps),
    }
    found = {name: contrast(style.color, caps) for name, style in texts.items()}
    least = dict.fromkeys(found, TEXT)
    if caps == Capabilities("16"):
        # Bright black is all there is between the background and the foreground.
        least |= {"dim": MARK, "info": MARK}
    assert {name: value for name, value in found.items() if value < least[name]} == {}


@pytest.mark.parametrize("caps", COLOURED, ids=str)
def test_text_can_be_read_under_the_cursor(caps):
    # Reversed: the background's colour on the accent.
    style = palette.cursor(caps)
    assert style.reverse
    assert style.bgcolor is None
    assert contrast(style.color, caps) >= TEXT


@pytest.mark.parametrize("muted", [False, True])
@pytest.mark.parametrize("caps", COLOURED, ids=str)
def test_numbers_can_be_read_on_every_level_of_load(caps, muted):
    levels = palette.heat_levels(caps)
    for level in range(levels):
        style = palette.heat_style(caps, (level + 0.5) / levels, background=True, muted=muted)
        assert style.bgcolor == palette.level_color(caps, level, muted=muted)
        assert contrast(style.color, caps, style.bgcolor) >= TEXT, level


@pytest.mark.parametrize("caps", COLOURED, ids=str)
def test_numbers_can_be_read_on_every_difference(caps):
    reach = palette.difference_levels(caps) // 2
    for level in range(-reach, reach + 1):
        style = palette.difference_style(caps, level / reach, background=True)
        assert contrast(style.color, caps, style.bgcolor) >= TEXT, level


@pytest.mark.parametrize("caps", COLOURED, ids=str)
def test_more_load_stands_out_more(caps):
    levels = [palette.level_color(caps, level) for level in range(palette.heat_levels(caps))]
    found = [contrast(color, caps) for color in levels]
    assert all(less < more for less, more in pairwise(found))
    assert found[0] < MARK
    assert min(found[len(found) // 2 :]) >= MARK
    assert found[-1] >= 2 * TEXT


@pytest.mark.parametrize("caps", COLOURED, ids=str)
def test_more_load_stands_out_more_where_it_is_not_chosen(caps):
    levels = [palette.level_color(caps, level, muted=True) for level in range(palette.heat_levels(caps))]
    found = [contrast(color, caps) for color in levels]
    assert all(less < more for less, more in pairwise(found))


@pytest.mark.parametrize("caps", COLOURED, ids=str)
def test_a_larger_difference_stands_out_more_and_none_does_not(caps):
    count = palette.difference_levels(caps)
    found = [contrast(palette.difference_color(caps, level), caps) for level in range(count)]
    middle = count // 2
    assert all(less < more for less, more in pairwise(found[middle:]))
    assert all(less < more for less, more in pairwise(found[middle::-1]))
    assert found[middle] < 1.5
    assert min(found[0], found[-1]) >= TEXT


@pytest.mark.parametrize("caps", COLOURED, ids=str)
def test_thin_glyphs_can_be_seen(caps):
    parts = [part / 20 for part in range(-20, 21)]
    little = [palette.heat_style(caps, part) for part in parts if 0 <= part < 0.5]
    drawn = [palette.heat_style(caps, part) for part in parts if part >= 0.5]
    drawn += [palette.heat_style(caps, part, muted=True) for part in parts if part >= 0.5]
    drawn += [palette.difference_style(caps, part) for part in parts]
    drawn += [palette.series(caps, index) for index in range(8)]
    assert [style for style in drawn if contrast(style.color, caps) < MARK] == []
    # Cyan on white, between grey and blue, is a little less.
    least = 2.9 if caps == Capabilities("16", light=True) else MARK
    assert [style for style in little if contrast(style.color, caps) < least] == []


@pytest.mark.parametrize("caps", COLOURED, ids=str)
def test_severities_and_what_is_selected_are_told_apart(caps):
    styles = [*severities(caps).values(), palette.selected(caps), palette.better(caps)]
    for one, other in combinations(styles, 2):
        assert (one.color, bool(one.bold)) != (other.color, bool(other.bold))
    # The accent is no colour that means something else.
    others = {style.color for style in (*severities(caps).values(), palette.better(caps))}
    others |= {palette.level_color(caps, level) for level in range(palette.heat_levels(caps))}
    assert palette.accent(caps).color not in others


def test_a_light_background_changes_nothing_without_colour():
    dark, light = Capabilities("none"), Capabilities("none", light=True)
    assert palette.severity(dark, "critical") == palette.severity(light, "critical")
    assert palette.heat_style(dark, 1.0) == palette.heat_style(light, 1.0)
    assert palette.cursor(dark) == palette.cursor(light)
