"""Pages over the panes."""

from rich.text import Text

from lbtui.render.capabilities import Capabilities
from lbtui.ui.kit.pages import TextPage
from tests.terminal.driven import drive, screen_text
from tests.tools.driving import settled


class LateText(TextPage):
    """A page whose text comes when it is composed and not yet up."""

    def compose(self):
        yield from super().compose()
        self.show(Text("what was read"))


def test_a_text_that_comes_while_the_page_is_put_up_is_shown():
    async def scenario(app, pilot):
        app.push_screen(LateText("title", Text("reading")))
        await settled(app, pilot)
        assert "what was read" in screen_text(app)
        assert "reading" not in screen_text(app)

    drive(Capabilities("256"), scenario)
