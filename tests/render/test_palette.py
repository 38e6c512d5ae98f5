from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem

from lbtui.render import palette
from lbtui.render.capabilities import Capabilities
from tests.render.strategies import ALL_CAPS, lightness, limits, values

COLOURED = [caps for caps in ALL_CAPS if caps.colors != "none"]
SYSTEMS = {"truecolor": ColorSystem.TRUECOLOR, "256": ColorSystem.EIGHT_BIT, "16": ColorSystem.STANDARD}


@pytest.mark.parametrize("caps", COLOURED)
@pytest.mark.parametrize("muted", [False, True])
def test_lightness_rises_with_every_level(caps, muted):
    levels = palette.heat_levels(caps)
    colors = [palette.heat(caps, (level + 0.5) / levels, muted=muted) for level in range(levels)]
    shown = [lightness(color.downgrade(SYSTEMS[caps.colors])) for color in colors]
    assert shown == sorted(set(shown))
    assert len(shown) == {"truecolor": 12, "256": 8, "16": 4}[caps.colors]


def test_the_256_ramp_survives_being_sent_as_rgb():
    # Textual turns palette colours into RGB and back; no level may change or meet another on the way.
    caps = Capabilities("256")
    for level in range(palette.heat_levels(caps)):
        color = palette.level_color(caps, level)
        again = type(color).from_triplet(color.get_truecolor()).downgrade(ColorSystem.EIGHT_BIT)
        assert again.number == color.number


@pytest.mark.parametrize("caps", ALL_CAPS)
def test_colours_are_of_the_depth_asked_for(caps):
    styles = [
        palette.heat_style(caps, 0.7),
        palette.heat_style(caps, 0.7, background=True),
        palette.heat_style(caps, 0.2, background=True, muted=True),
        palette.accent(caps),
        palette.dim(caps),
        palette.strong(caps),
        palette.cursor(caps),
        palette.selected(caps),
        *(palette.severity(caps, level) for level in ("critical", "warning", "info")),
        *(palette.series(caps, index) for index in range(9)),
    ]
    for color in [color for style in styles for color in (style.color, style.bgcolor) if color]:
        assert color.downgrade(SYSTEMS[caps.colors]) == color
        assert caps.colors != "none"


@pytest.mark.parametrize("caps", ALL_CAPS)
def test_eight_series_and_three_severities_differ(caps):
    assert len({palette.series(caps, index) for index in range(8)}) == 8
    assert palette.series(caps, 8) == palette.series(caps, 0)
    assert len({palette.severity(caps, level) for level in ("critical", "warning", "info")}) == 3


@given(values, limits, limits)
def test_fraction_is_none_or_within_the_range(value, low, high):
    part = palette.fraction(value, low, high)
    if value is None or value != value:
        assert part is None
    else:
        assert 0 <= part <= 1


@given(st.sampled_from(ALL_CAPS), st.floats(0, 1), st.floats(0, 1))
def test_more_load_is_never_a_colder_level(caps, one, other):
    low, high = sorted((one, other))
    assert 0 <= palette.heat_level(caps, low) <= palette.heat_level(caps, high) < palette.heat_levels(caps)


@pytest.mark.parametrize("caps", COLOURED)
def test_thin_glyphs_of_cold_load_can_be_read_on_black(caps):
    # Cyan of the sixteen is the user's own; of the others the lightness is ours.
    assert lightness(palette.heat_style(caps, 0).color) >= 40


@pytest.mark.parametrize("caps", COLOURED)
def test_differences_get_lighter_to_both_sides_and_never_swap_hues(caps):
    count = palette.difference_levels(caps)
    colors = [palette.difference_color(caps, level).downgrade(SYSTEMS[caps.colors]) for level in range(count)]
    shown = [lightness(color) for color in colors]
    middle = count // 2
    assert shown[: middle + 1] == sorted(set(shown[: middle + 1]), reverse=True)
    assert shown[middle:] == sorted(set(shown[middle:]))
    for color in colors[:middle]:
        assert color.get_truecolor().blue > color.get_truecolor().red
    for color in colors[middle + 1 :]:
        assert color.get_truecolor().red > color.get_truecolor().blue


def test_differences_rise_by_even_steps_of_lightness():
    colors = [palette.difference_color(Capabilities("truecolor"), level) for level in range(11)]
    steps = [abs(lightness(b) - lightness(a)) for a, b in pairwise(colors)]
    # Equal in OKLCH, whose lightness is not quite CIE's.
    assert max(steps) < 1.4 * min(steps)


@given(st.sampled_from(ALL_CAPS), st.floats(-1, 1))
def test_a_difference_and_its_reverse_are_as_far_from_the_middle(caps, part):
    level, reverse = palette.difference_level(caps, part), palette.difference_level(caps, -part)
    assert level + reverse == palette.difference_levels(caps) - 1
    assert palette.difference_level(caps, 0) == palette.difference_levels(caps) // 2


@given(values, limits)
def test_signed_fraction_keeps_sign_and_range(value, reach):
    part = palette.signed_fraction(value, reach)
    if value is None or value != value:
        assert part is None
    else:
        assert -1 <= part <= 1
        assert part == 0 or (part > 0) == (value > 0)
