"""Which language is spoken, and what is said where it cannot be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lbtui.language import LANGUAGES, _asked, _wanted, of_config, of_locale
from lbtui.locales import codeset, ctype_of, messages_of
from tests.tools.terminal import Terminal

DATA = Path(__file__).parent / "data"
SMALL = DATA / "csv_only"


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("zh_CN.UTF-8", "zh_CN"), ("zh_CN", "zh_CN"), ("zh", "zh_CN"), ("zh_SG.GB2312", "zh_CN"),
        ("zh_Hans_CN.UTF-8", "zh_CN"), ("zh_CN.GB18030@stroke", "zh_CN"), ("zh_TW.UTF-8", "en"),
        ("zh_HK", "en"), ("en_US.UTF-8", "en"), ("C.UTF-8", "en"), ("C", "en"), ("", "en"), ("zhx", "en"),
    ],
)  # fmt: skip
def test_a_locale_has_its_language(locale, language):
    assert of_locale(locale) == language


@pytest.mark.parametrize(
    ("environment", "locale"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN.UTF-8"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "C"}, "C"),
        ({"LANG": "C", "LC_MESSAGES": "C", "LC_ALL": "zh_CN.UTF-8"}, "zh_CN.UTF-8"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh_CN.UTF-8"),
        ({}, ""),
    ],
)
def test_the_first_variable_that_is_set_counts(environment, locale):
    assert messages_of(environment) == locale


def test_what_python_set_for_itself_is_not_the_terminals():
    environment = {"LANG": "zh_CN.GB18030", "LC_CTYPE": "C.UTF-8"}
    assert codeset(ctype_of(environment, coerced=True)) == "GB18030"
    assert codeset(ctype_of(environment, coerced=False)) == "UTF-8"


@pytest.mark.parametrize(
    ("arguments", "language"),
    [
        ([], "zh_CN"),
        (["--lang", "en"], "en"),
        (["--lang=en"], "en"),
        (["--lang", "zh", "--json"], "zh_CN"),
        (["out", "--json"], "en"),
        (["--get", "dp.batch_size.par", "out"], "en"),
        (["--get=dp.batch_size.par"], "en"),
        (["--json-schema"], "zh_CN"),
        (["--lang", "klingon"], "zh_CN"),
        (["--lang"], "zh_CN"),
        (["--no-such", "--report=text", "out"], "zh_CN"),
    ],
)
def test_options_go_over_the_locale(arguments, language):
    assert _wanted(_asked(arguments), {"LANG": "zh_CN.UTF-8"}) == language


def test_the_config_goes_over_the_locale_and_lang_over_the_config(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text('[screen]\nlanguage = "zh"\n')
    assert of_config(file) == "zh_CN"
    asked = _asked(["--config", str(file)])
    assert _wanted(asked, {"LANG": "C.UTF-8"}) == "zh_CN"
    assert _wanted(_asked([f"--config={file}", "--lang", "en"]), {"LANG": "zh_CN"}) == "en"
    home = tmp_path / "home" / "lbtui"
    home.mkdir(parents=True)
    (home / "config.toml").write_text('[screen]\nlanguage = "en"\n')
    assert _wanted(_asked([]), {"LANG": "zh_CN", "XDG_CONFIG_HOME": str(home.parent)}) == "en"


@pytest.mark.parametrize("text", ["", "[screen]\nlanguage = 3\n", "screen = 1\n", "[screen", "[screen]\n"])
def test_a_config_that_sets_no_language_sets_none(text, tmp_path):
    file = tmp_path / "c.toml"
    file.write_text(text)
    assert of_config(file) is None
    assert of_config(tmp_path / "none.toml") is None
    assert of_config(tmp_path) is None


def said(*arguments, **environment):
    """Run the command; return its exit code, standard output and error, in bytes."""
    words = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "lbtui", *map(str, arguments)],
        capture_output=True,
        timeout=1200,
        check=False,
        env=words | environment,
    )
    return done.returncode, done.stdout, done.stderr


def test_help_is_in_the_language_of_the_locale_and_as_wide_as_asked():
    code, out, err = said("--help", LANG="zh_CN.UTF-8", COLUMNS="80")
    assert (code, err) == (0, b"")
    assert "输出版本后退出" in out.decode()
    assert "用法：" in out.decode()
    assert max(len(line.encode("gb18030")) for line in out.decode().splitlines()) <= 80


@pytest.mark.parametrize("codeset", ["GB18030", "GBK", "GB2312"])
def test_a_report_is_written_as_the_locale_has_it_installed_or_not(codeset):
    code, out, err = said(SMALL, "--report", LC_ALL=f"zh_CN.{codeset}")
    assert (code, err) == (0, b"")
    text = out.decode(codeset)
    assert "发现的问题" in text
    assert "\\u" not in text


def test_wrong_usage_is_told_in_chinese_too():
    for wrong in (["--no-such-option"], ["--slo"], ["--format", "csv", "--fail-on"], ["--format", "xml"]):
        code, _out, err = said(*wrong, LANG="zh_CN.UTF-8")
        told = err.decode().splitlines()[-1]
        assert code == 2
        assert told.startswith("lbtui: ")
        assert any("\u4e00" <= character <= "\u9fff" for character in told), told


def test_programs_are_told_in_english_unless_they_ask():
    for lang, word in (((), '"Share'), (("--lang", "zh"), "占比")):
        code, out, _err = said(SMALL, "--json", *lang, LANG="zh_CN.UTF-8")
        assert code == 0
        assert ("的" in out.decode()) == bool(lang), word


@pytest.mark.parametrize(
    ("language", "asked", "form", "written"),
    [
        ("en", False, "json", True),
        ("zh_CN", False, "json", False),
        ("zh_CN", True, "json", True),
        ("zh_CN", False, "markdown", True),
    ],
)
def test_a_screen_in_chinese_writes_json_in_chinese_if_that_was_asked_for(language, asked, form, written):
    code = (
        f"from lbtui.text import speak\nspeak({language!r}, asked={asked})\n"
        f"from lbtui.report.asked import refused\nassert (refused({form!r}) is None) is {written}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    ("arguments", "environment", "why"),
    [
        (["--lang", "zh", "--ascii"], {"LANG": "C.UTF-8"}, "--ascii"),
        (["--lang", "zh"], {"PYTHONIOENCODING": "ascii"}, "ascii has no Chinese"),
        ([], {"LANG": "zh_CN.UTF-8", "PYTHONIOENCODING": "latin-1"}, "iso8859-1 has no Chinese"),
    ],
)
def test_what_cannot_carry_chinese_gets_english_and_one_sentence(arguments, environment, why):
    code, out, err = said(SMALL, "--report", *arguments, **environment)
    assert code == 0
    assert out.isascii() or b"\xc3\x97" in out  # × alone
    (line,) = err.decode().splitlines()
    assert why in line
    assert line.endswith("English is spoken.")


@pytest.mark.parametrize(
    ("environment", "says", "not_says"),
    [
        ({"LC_ALL": "zh_CN.UTF-8"}, "总览", "Overview"),
        ({"LC_ALL": "zh_CN.GB18030"}, "Overview", "总览"),
        ({"LC_ALL": "zh_CN.UTF-8", "TERM": "linux"}, "Overview", "总览"),
    ],
)
def test_the_screen_speaks_chinese_where_the_terminal_can_show_it(environment, says, not_says):
    command = [sys.executable, "-m", "lbtui", str(SMALL)]
    with Terminal(command, 100, 30, environment) as terminal:
        terminal.rest()
        shown = terminal.output.decode(errors="replace")
        assert says in shown
        assert not_says not in shown


def test_all_languages_have_a_catalogue():
    for language in set(LANGUAGES.values()) - {"en"}:
        assert (Path(__file__).parents[1] / f"lbtui/locale/{language}/LC_MESSAGES/lbtui.po").exists()
