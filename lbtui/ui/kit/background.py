"""Work beside the event loop: one way to run it, and to say why it failed."""

from __future__ import annotations

from collections.abc import Callable

from textual.dom import DOMNode
from textual.worker import Worker, get_current_worker

from lbtui.log import log_fault
from lbtui.text import error_words


def in_background(
    node: DOMNode,
    work: Callable[[], object],
    failed: Callable[[str], object],
    *,
    group: str,
    exclusive: bool = True,
) -> Worker[None]:
    """Run `work` in a thread; where it raises, call `failed` on the event loop with the error in words.

    `exclusive` cancels what still runs in the group. What was cancelled has nothing to tell.
    """

    def guarded() -> None:
        worker = get_current_worker()

        def tell(why: str) -> None:
            if not worker.is_cancelled:
                failed(why)

        try:
            work()
        except Exception as error:
            # The first frame must not wait for polars, which the profile needs.
            from lbtui.profile.progress import Cancelled

            if not isinstance(error, Cancelled):
                log_fault(error, group)
                node.call_later(tell, error_words(error))

    return node.run_worker(guarded, thread=True, exclusive=exclusive, group=group, exit_on_error=False)
