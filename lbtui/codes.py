"""The exit codes, each with one meaning; the manual lists them (`config`)."""

OPENED = 0  # or reported
FOUND = 1  # findings at or above `--fail-on`, and nothing else
USAGE = 2  # or a bad config
UNREADABLE = 3
UNKNOWN = 4  # a value that `--get` asks for is not known
# From here on those of sysexits.h, EX_SOFTWARE, EX_OSERR and EX_IOERR.
BROKEN = 70  # a fault of lbtui's own
NO_MEMORY = 71
UNWRITTEN = 74  # standard output, or what is exported
INTERRUPTED = 130  # Ctrl-C; 128 + its number for any signal
