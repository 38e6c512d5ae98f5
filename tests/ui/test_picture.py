"""A picture is drawn in the first frame that has its size, and anew in each other size."""

import asyncio

from rich.segment import Segment
from textual.app import App

from lbtui.ui.kit.picture import Picture
from tests.tools.driving import resized, settled


class Sized(Picture):
    """Says how large it is; counts how often it is drawn."""

    drawn = 0

    def picture(self, width, height):
        self.drawn += 1
        return [[Segment(f"{width} x {height}".ljust(width))]] + [[Segment(" " * width)]] * (height - 1)


class Shown(App):
    """Shows one picture, which is blank in no frame."""

    def __init__(self):
        super().__init__()
        self.frames = []

    def compose(self):
        yield Sized()

    def _display(self, screen, renderable):
        super()._display(screen, renderable)
        if self.query(Sized) and screen.is_mounted:
            self.frames.append(self.query_one(Sized).render_line(0).text.strip())


def test_a_picture_is_drawn_once_for_each_size_there_and_back():
    async def scenario():
        app = Shown()
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(app, pilot)
            picture = app.query_one(Sized)
            assert (picture.render_line(0).text.strip(), picture.drawn) == ("80 x 24", 1)
            assert set(app.frames) == {"80 x 24"}
            for number, size in enumerate([(100, 30), (80, 24), (100, 24), (80, 24)], start=2):
                await resized(app, pilot, *size)
                line = picture.render_line(0)
                assert (line.text.strip(), line.cell_length) == (f"{size[0]} x {size[1]}", size[0])
                assert picture.drawn == number

    asyncio.run(scenario())
