"""The process: signals from its first moment on, the command, and one handler around all of it."""

# Imported already when Python starts. What imports anything more, `signal` and `typing` too, takes
# milliseconds in which Ctrl-C would print where in the imports it came.
import _signal

try:
    # Ctrl-C waits until something waits for it.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})
except KeyboardInterrupt:  # it came just before
    raise SystemExit(130) from None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: "Sequence[str] | None" = None) -> int:
    """Run the command and return its exit code; whatever goes wrong is one sentence and no traceback.

    Raises `SystemExit` with the exit code after `--help`, `--version` and wrong usage.
    """
    import os
    import sys

    from lbtui import endings

    # Before all other imports, since some of them start threads.
    endings.watch()
    # polars' allocator gives memory back after a tenth of a second, not after half of one, or never: of 10
    # million requests 160 MiB less at most, for 1 % of processor time.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:100,muzzy_decay_ms:0")
    from lbtui.codes import BROKEN, NO_MEMORY
    from lbtui.output import complain, prepare
    from lbtui.text import _

    prepare()
    try:
        from lbtui.language import choose

        given = sys.argv[1:] if arguments is None else arguments
        if sentence := choose(given, os.environ):
            complain(f"lbtui: {sentence}\n")
        from lbtui.cli import main as command

        return command(given)
    except SystemExit:
        raise
    except MemoryError:
        complain("lbtui: " + _("the memory that this process may use is not enough.") + "\n")
        return NO_MEMORY
    # Also what polars raises when it panics, which is no Exception.
    except BaseException as error:
        from lbtui.fault import fault_sentence

        complain(f"lbtui: {fault_sentence(error)}\n")
        return BROKEN
