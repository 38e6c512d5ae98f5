"""What is under way and can be cancelled, told in the place of the last line."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, cast

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static
from textual.worker import Worker, get_current_worker

from lbtui.output import CannotWrite
from lbtui.profile.progress import Cancelled, Progress
from lbtui.text import _, visible
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.host import Host
from lbtui.ui.kit.pages import Page, spelled
from lbtui.ui.kit.progress_words import Rate, progress_words

_PROGRESS_SECONDS = 0.1
_SOON = 0.15  # s that something may take without a line that tells of it


class WorkLine(Page[None]):
    """Tells what is under way; Escape cancels it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", _("cancel"), priority=True)]

    def __init__(self, doing: str) -> None:
        super().__init__()
        self._doing = doing
        self._worker: Worker[None] | None = None
        self._cancelled: Callable[[], object] | None = None

    def compose(self) -> ComposeResult:
        """Lay out the line."""
        with Horizontal(classes="line"):
            yield Static(self._shown(""), classes="line-doing")

    def works(self, worker: Worker[None], cancelled: Callable[[], object]) -> None:
        """Have Escape cancel a worker; `cancelled` is called then."""
        self._worker, self._cancelled = worker, cancelled

    def say(self, words: str) -> None:
        """Tell how far it is."""
        if not self.is_mounted:
            return
        for line in self.query(".line-doing").results(Static):
            line.update(self._shown(words))

    def _shown(self, words: str) -> Text:
        parts = [self._doing, words or "…", _("Escape cancels")]
        return spelled(Text(f" {visible(' · '.join(parts))}", style="bold"), cast(Host, self.app).caps)

    def action_cancel(self) -> None:
        """Let nothing come of it."""
        if self._worker is not None and not self._worker.is_finished and self._cancelled is not None:
            self._worker.cancel()
            self.dismiss()
            self._cancelled()


class LineProgress(Progress):
    """Progress of a worker, told in a `WorkLine` a few times a second; stops when cancelled."""

    def __init__(self, app: App[int], line: WorkLine) -> None:
        self._app, self._line = app, line
        self._worker = get_current_worker()
        self._rate = Rate()
        self._last = 0.0

    def advance(self, what: str, done: int, total: int) -> None:
        """Tell the line; raise `Cancelled` when the user has cancelled."""
        if self._worker.is_cancelled:
            raise Cancelled
        now = time.monotonic()
        if now - self._last >= _PROGRESS_SECONDS:
            self._last = now
            words = progress_words(what, done, total, self._rate.after(what, done, now))
            self._app.call_later(self._line.say, words)


def worked(
    app: App[int],
    doing: str,
    work: Callable[[LineProgress], str],
    tell: Callable[[str], object],
) -> None:
    """Run `work` beside the event loop with a line that tells how far it is; `tell` gets what it returns.

    Of what was cancelled, or has failed, a sentence is told instead.
    """
    line = WorkLine(doing)

    def ended(words: str) -> None:
        soon.stop()
        line.dismiss()
        tell(words)

    def guarded() -> None:
        try:
            words = work(LineProgress(app, line))
        except CannotWrite as error:
            words = str(error)
        if not get_current_worker().is_cancelled:
            app.call_later(ended, words)

    worker = in_background(app, guarded, ended, group="command")
    line.works(worker, lambda: tell(_("cancelled: {doing}").format(doing=doing)))

    def show() -> None:
        if not worker.is_finished:
            app.push_screen(line)

    # What takes no time has nothing to tell, and takes no keys.
    soon = app.set_timer(_SOON, show)
