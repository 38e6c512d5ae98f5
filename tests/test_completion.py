"""Completion files are those of the parser as it is; the man page has all that the help has."""

import os
import re
import shutil
import subprocess

import pytest

from lbtui import __version__, codes
from lbtui.cli import main
from lbtui.codes import OPENED, USAGE
from lbtui.completion import SHELLS, completion
from lbtui.manual.man import man_page
from lbtui.options import parser
from tests.tools.make_completion import made

OPTIONS = sorted(option for action in parser()._actions for option in action.option_strings)


def printed(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code, capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_the_file_of_a_shell_is_current_and_printed(shell, capsys):
    # python -m tests.tools.make_completion writes it anew.
    assert completion(shell) == made(shell)
    assert printed(capsys, "--completion", shell) == (OPENED, completion(shell))
    assert [option for option in OPTIONS if option.lstrip("-") not in completion(shell)] == []


def test_another_shell_is_wrong_usage(capsys):
    assert printed(capsys, "--completion", "tcsh") == (USAGE, "")


def completed(*words):
    """Return what bash offers for the last of the words."""
    script = f"""
        source /dev/stdin <<'EOF'
{completion("bash")}
EOF
        COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
        COMP_TYPE=9
        $(complete -p lbtui | sed 's/.* -F \\([^ ]*\\).*/\\1/') lbtui "$2" "$3"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    return set(done.stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_offers_options_and_their_values():
    assert {"--json", "--json-schema"} <= completed("lbtui", "--js")
    assert completed("lbtui", "--what-if", "r") == {"routing", "ratio"}
    assert completed("lbtui", "--completion", "") == set(SHELLS)
    assert "targets" in completed("lbtui", "--manual", "ta")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_shell_itself_reads_its_file(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    file = tmp_path / "lbtui"
    file.write_text(completion(shell), "utf-8")
    done = subprocess.run([shell, "-n", file], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_man_page_has_every_option_and_every_exit_code(capsys):
    page = man_page(parser(), __version__)
    assert printed(capsys, "--man") == (OPENED, page)
    assert page.isascii()
    plain = page.replace("\\-", "-")
    assert [option for option in OPTIONS if f"\\fB{option}\\fR" not in plain] == []
    numbers = {value for name, value in vars(codes).items() if name.isupper() and isinstance(value, int)}
    assert {int(code) for code in re.findall(r"^\.B (\d+)$", page, re.MULTILINE)} == numbers
    commands = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert commands == {".TH", ".SH", ".TP", ".B"}


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_groff_sets_the_man_page_without_a_warning():
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8"],
        input=man_page(parser(), __version__),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "GROFF_NO_SGR": "1", "LC_ALL": "C.UTF-8"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    text = re.sub(r".\x08", "", done.stdout)
    assert "--what-if" in text
    assert " ".join(parser().description.split()[:6]) in " ".join(text.split())
