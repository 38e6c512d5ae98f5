"""Every screen in the five sizes, as text. `python -m tests.tools.redraw_goldens` writes what changed."""

import asyncio

import pytest

from lbtui.render.capabilities import Capabilities
from lbtui.ui.app import LbtuiApp
from tests.tools.driving import resized, settled
from tests.tools.reading_once import reading_once
from tests.tools.redraw_goldens import CAPS, GOLDENS, golden
from tests.tools.screens import SCENES, SIZES, folders, texts


@pytest.fixture(scope="module")
def asked():
    with folders() as made, reading_once():
        yield made


@pytest.mark.parametrize("name", SCENES)
def test_the_screen_is_as_agreed(name, asked):
    scene = SCENES[name]
    for size, text in asyncio.run(texts(asked[scene.of], scene.keys, SIZES, CAPS)).items():
        assert text.splitlines() == golden(name, size).read_text(encoding="utf-8").splitlines(), size


def test_every_golden_is_of_a_screen():
    assert set(GOLDENS.iterdir()) == {golden(name, size) for name in SCENES for size in SIZES}


def of_all_panes(caps, asked, keys="12345", sizes=SIZES):
    """Return for each pane and size the cells of the whole screen, in one run: [(text, styles), …]."""
    found = []

    async def whole():
        app = LbtuiApp(asked, caps)
        async with app.run_test(size=sizes[0]) as pilot:
            for size in sizes:
                await resized(app, pilot, *size)
                for key in keys:
                    await settled(app, pilot)
                    await pilot.press(key)
                    await settled(app, pilot)
                    segments = [
                        s for strip in app.screen._compositor.render_strips(app.screen.size) for s in strip
                    ]
                    found.append(("".join(s.text for s in segments), {str(s.style) for s in segments}))

    asyncio.run(whole())
    return found


@pytest.mark.parametrize("colors", ["truecolor", "256", "16"])
def test_on_a_light_background_the_colours_alone_differ(colors, asked):
    sizes = SIZES[1::2]
    dark, light = (
        of_all_panes(Capabilities(colors, light=light), asked["demo"], sizes=sizes) for light in (False, True)
    )
    assert [text for text, _styles in dark] == [text for text, _styles in light]
    assert all(one != other for (_, one), (_, other) in zip(dark, light, strict=True))


def test_without_colour_and_unicode_every_size_is_ascii_and_has_no_colour(asked):
    for text, styles in of_all_panes(Capabilities("none", unicode=False), asked["demo"]):
        assert text.isascii()
        assert "\\u" not in text
        assert not [style for style in styles if "color" in style or "#" in style]
