"""Streams that are full, closed or not read, and faults of any kind: one sentence and a code of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lbtui import options
from lbtui.codes import BROKEN, FOUND, NO_MEMORY, OPENED, UNREADABLE, UNWRITTEN, USAGE
from tests.bench.fuzz import raw_controls
from tests.tools.terminal import PATIENCE

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
# Small, and with findings.
PROFILE = DATA / "csv_only"
FULL = "/dev/full"


def shell(command, *arguments, unbuffered=""):
    """Run the command in a shell, where streams can be closed; `$lbtui` is the command, `$1` an argument."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}", "sh", *map(str, arguments)],
        capture_output=True,
        env={
            **os.environ,
            "lbtui": f"{sys.executable} -m lbtui",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": unbuffered,
        },
        timeout=10 * PATIENCE,
        check=False,
    )


def assert_one_sentence(done, code):
    assert done.returncode == code, done.stderr.decode()
    assert done.stderr.startswith(b"lbtui: ")
    assert done.stderr.count(b"\n") == 1
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", ["--help", "--version", "--manual json", "$1 --report", "$1 --json --fail-on warning"]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_has_a_code_of_its_own(arguments, unbuffered):
    done = shell(f"$lbtui {arguments} > {FULL}", PROFILE, unbuffered=unbuffered)
    assert_one_sentence(done, UNWRITTEN)
    assert b"No space left" in done.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("$lbtui $1 --report >&-", UNWRITTEN),
        ("$lbtui $1 --report <&- 2>&-", OPENED),
        ("$lbtui $1/none --report <&- >&- 2>&-", UNREADABLE),
        (f"$lbtui $1/none --report 2> {FULL}", UNREADABLE),
        (f"$lbtui --nonsense 2> {FULL}", USAGE),
        # One who has read enough is content; what was found holds all the same.
        ("$lbtui $1 --report | true", OPENED),
        ("$lbtui --help | true", OPENED),
        ("$lbtui --manual findings | true", OPENED),
        ("$lbtui --manual >&-", UNWRITTEN),
        (f"$lbtui --manual nope 2> {FULL}", USAGE),
        ("$lbtui $1 --report --fail-on warning | true", FOUND),
    ],
)
def test_streams_that_are_closed_or_that_nobody_reads(command, code):
    done = shell(command, PROFILE)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") <= 1


@pytest.mark.parametrize("stream", [">&-", f"> {FULL}", "| true"])
def test_an_export_that_cannot_be_told_is_whole(tmp_path, stream):
    whole = shell("$lbtui $1 --export $2", PROFILE, tmp_path / "whole")
    assert whole.returncode == 0
    done = shell(f"$lbtui $1 --export $2 {stream}", PROFILE, tmp_path / "out")
    assert done.returncode == (OPENED if stream == "| true" else UNWRITTEN)
    wanted = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == wanted


@pytest.mark.parametrize("blocks", [1, 100])
def test_an_export_to_a_full_disk_leaves_nothing(tmp_path, blocks):
    # A limit of the file's size is met as a full disk is, in the midst of a write.
    done = shell(f"ulimit -f {blocks}; $lbtui $1 --export $2", PROFILE, tmp_path / "new" / "out")
    assert_one_sentence(done, UNWRITTEN)
    assert list(tmp_path.iterdir()) == []


def test_an_export_into_the_profile_is_refused(tmp_path):
    profile = tmp_path / "profile"
    shutil.copytree(PROFILE, profile)
    (tmp_path / "link").symlink_to(profile)
    before = sorted(profile.iterdir())
    for folder in (profile, profile / "deep" / "out", tmp_path / "link", tmp_path / "link" / "new"):
        done = shell("$lbtui $1 --export $2 --force", profile, folder)
        assert_one_sentence(done, USAGE)
        assert b"stays as it is" in done.stderr
    assert sorted(profile.iterdir()) == before


RAISING = """
import lbtui.cli, lbtui.start
def main(arguments):
    raise {error}
lbtui.cli.main = main
raise SystemExit(lbtui.start.main([]))
"""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("ZeroDivisionError('no such \\x1b[31mthing')", BROKEN),
        ("RecursionError()", BROKEN),
        ("OSError(5, 'Input/output error')", BROKEN),
        ("MemoryError()", NO_MEMORY),
        ("__import__('polars').exceptions.PanicException('oops')", BROKEN),
        ("UnicodeEncodeError('ascii', 'x', 0, 1, 'no')", BROKEN),
    ],
)
def test_whatever_is_raised_is_one_sentence(error, code):
    done = subprocess.run(
        [sys.executable, "-c", RAISING.format(error=error)], capture_output=True, cwd=ROOT, check=False
    )
    assert_one_sentence(done, code)
    assert not raw_controls(done.stderr.decode(), "\n")


WORDS = [
    "--x\x1b[31m",
    "--color=\x9b2J",
    "a\u202eb",
    "\udcff\x07",
    "--capture=\x1b]0;t\x07",
    "--fail-on=\u2028",
]


@pytest.mark.parametrize("word", WORDS)
def test_usage_errors_show_what_was_typed_and_do_not_obey_it(word, capsys):
    with pytest.raises(SystemExit) as ended:
        options.parser().parse_args(["path", "other", word])
    assert ended.value.code == USAGE
    assert not raw_controls(capsys.readouterr().err, "\n")


def test_a_path_that_standard_output_cannot_carry_is_told(tmp_path):
    done = shell("PYTHONIOENCODING=ascii $lbtui $1 --export $2", PROFILE, tmp_path / "é")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\xe9/batches.csv" in done.stdout
