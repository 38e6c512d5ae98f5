"""Which output to open, where there are several, and what to do where there is none."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias, TypeVar

from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.palette import dim, selected, severity, strong
from lbtui.render.text import blank, fit, row, wrapped
from lbtui.text import _, in_series, plural, visible
from lbtui.ui.bars import keys_row
from lbtui.ui.kit import keys
from lbtui.ui.kit.keys import End
from lbtui.ui.kit.pages import Page
from lbtui.ui.kit.picture import Picture

if TYPE_CHECKING:
    from lbtui.profile import Reading

_Answer = TypeVar("_Answer")
Start: TypeAlias = Literal["demo", "quit"]
# Title, what is asked, a blank, and the keys below.
_AROUND = 4


class _Whole(Picture, can_focus=True):
    """A page's rows."""

    def __init__(self, rows: Callable[[int, int], list[Row]]) -> None:
        super().__init__(id="whole")
        self._rows = rows

    def picture(self, width: int, height: int) -> list[Row]:
        """Return the rows of the page."""
        return self._rows(width, height)


class _Sheet(Page[_Answer]):
    """A page over the whole screen, drawn as the panes are."""

    def __init__(self, caps: Capabilities) -> None:
        super().__init__()
        self._caps = caps

    def compose(self) -> ComposeResult:
        """Lay out the one picture."""
        yield _Whole(self.rows)

    @abstractmethod
    def rows(self, width: int, height: int) -> list[Row]:
        """Return all rows."""


class Chooser(_Sheet["Reading | None"]):
    """Lets the user choose one of several outputs, or the raw profile; Escape answers None: nothing else."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.rows(_("output"), _("outputs")),
        keys.entered(_("open"), _("open the output under the cursor")),
        Binding("escape", "dismiss", _("back")),
        Binding("q", "app.quit", _("quit")),
    ]

    def __init__(
        self, base: Path, readings: Sequence[Reading], shown: Reading | None, caps: Capabilities
    ) -> None:
        super().__init__(caps)
        self._base, self._readings, self._shown = base, readings, shown
        self._at = readings.index(shown) if shown in readings else 0

    def rows(self, width: int, height: int) -> list[Row]:
        """Return the title, the outputs with the cursor on one, and the keys."""
        caps = self._caps
        raw = sum(reading.raw for reading in self._readings)
        counts = [plural("1 output", "{count} outputs", len(self._readings) - raw)]
        counts += [plural("1 raw profile", "{count} raw profiles", raw)] if raw else []
        title = _("{count} below {path}").format(count=in_series(counts), path=visible(str(self._base)))
        asked = (
            _("The raw profile is what was recorded, an output what was made of it. Which?")
            if raw
            else _("Each is what the parser wrote of one profile. Which one?")
        )
        room, top = self._place(height)
        listed = [self._output_row(n, width) for n in range(top, min(top + room, len(self._readings)))]
        escape = _("back") if self._shown else _("quit")
        ways = [("Esc", escape), ("q", _("quit"))]
        return [
            fit(title, width, caps=caps, style=strong(caps)),
            fit(asked, width, caps=caps, style=dim(caps)),
            blank(width),
            *listed,
            *[blank(width)] * (height - _AROUND - len(listed)),
            keys_row([keys.MOVE_ROWS, ("⏎", _("open"))], ways, width, caps),
        ][:height]

    def _place(self, height: int) -> tuple[int, int]:
        """Return how many outputs have room, and the first of them."""
        room = max(height - _AROUND, 1)
        return room, max(0, min(self._at - room // 2, len(self._readings) - room))

    def _output_row(self, number: int, width: int) -> Row:
        caps, reading, here = self._caps, self._readings[number], number == self._at
        try:
            name = str(reading.path.relative_to(self._base.resolve()))
        except ValueError:
            name = str(reading.path)
        marks = [_("(raw profile)")] * reading.raw + [_("(open)")] * (reading == self._shown)
        name = "  ".join([visible(name), *marks])
        style = selected(caps) if here else None
        mark = Segment("> " if here else "  ", style)
        return row(mark, fit(name, max(width - 2, 0), caps=caps, style=style), width=width)

    def _move_to(self, place: int) -> None:
        self._at = min(max(place, 0), len(self._readings) - 1)
        self.query_one(_Whole).repaint()

    def action_row(self, step: int) -> None:
        """Move the cursor."""
        self._move_to(self._at + step)

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self._move_to(self._at + pages * max(self._place(self.size.height)[0] - 1, 1))

    def action_end(self, which: End) -> None:
        """Move the cursor to the first or the last."""
        self._move_to(0 if which == "first" else len(self._readings) - 1)

    def action_enter(self) -> None:
        """Open the output under the cursor."""
        self.dismiss(self._readings[self._at])

    def on_click(self, event: events.Click) -> None:
        """Open what is clicked."""
        room, top = self._place(self.size.height)
        number = top + event.screen_y - 3
        if 3 <= event.screen_y < 3 + room and number < len(self._readings):
            self._move_to(number)
            self.action_enter()


class Welcome(_Sheet[Start]):
    """Says what to do where no output was named and none lies in the working directory or below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d,enter", "answer('demo')", _("demo")),
        Binding("q,escape", "answer('quit')", _("quit")),
    ]

    def __init__(self, folder: Path, caps: Capabilities) -> None:
        super().__init__(caps)
        self._folder = folder

    def action_answer(self, answer: Start) -> None:
        """Answer."""
        self.dismiss(answer)

    def rows(self, width: int, height: int) -> list[Row]:
        """Return what to do, and the keys."""
        caps, here = self._caps, visible(str(self._folder))
        warned = severity(caps, "warning")
        drawn: list[Row] = []
        for number, text, style in (
            ("", _("Where an LLM serving cluster's load is unbalanced, and what it costs."), strong(caps)),
            ("", "", None),
            ("", _("No output of msServiceProfiler lies in {folder} or below.").format(folder=here), warned),
            ("", "", None),
            ("", _("Where there is one:"), strong(caps)),
            ("", "lbtui PATH", None),
            ("", "", None),
            ("", _("Where there is none yet, on the server:"), strong(caps)),
            ("1 ", _("export SERVICE_PROF_CONFIG_PATH=CONFIG.json, and start the service"), None),
            ("2 ", _('set "enable": 1 in CONFIG.json, send requests until one has ended, set it to 0'), None),
            ("3 ", "python3 -m ms_service_profiler.parse --input-path=PROF_DIR", None),
            ("4 ", "lbtui ./output", None),
            ("", "", None),
            ("", _("To look around first: d opens the demo."), None),
        ):
            for n, line in enumerate(wrapped(text, width - len(number), caps, style)):
                before = Segment(number if n == 0 else " " * len(number), dim(caps))
                drawn.append(row(before, line, width=width))
        ways = [("d", _("demo")), ("q", _("quit"))]
        return [*(drawn + [blank(width)] * height)[: height - 1], keys_row([], ways, width, caps)]
