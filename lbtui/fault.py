"""A fault of lbtui's own, in one sentence."""

from __future__ import annotations

import traceback
from pathlib import Path

from lbtui import __version__
from lbtui.log import log_fault
from lbtui.text import _, error_words


def fault_sentence(error: BaseException | None) -> str:
    """Log an error that nothing foresaw; return what to say: which, in which version, and where in lbtui.

    Python and Textual would print a traceback, Textual with what every variable held, the data too.
    """
    log_fault(error, "outermost")
    frames = traceback.extract_tb(error.__traceback__ if error else None)
    ours = [frame for frame in frames if "lbtui" in Path(frame.filename).parts]
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else _("unknown place")
    sentence = _("a fault of lbtui itself, please report it: {why} (version {version}, {place})")
    return sentence.format(why=error_words(error), version=__version__, place=place)
