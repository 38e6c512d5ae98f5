"""Config files of every shape are used or refused with a sentence, at once."""

import os
import subprocess
import sys

import pytest

from lbtui.config import BadConfig, Config, from_file
from lbtui.thresholds import Thresholds
from tests.bench.fuzz import raw_controls

SHAPES = {
    "scalar": "thresholds = 5",
    "text": "thresholds = 'x'",
    "date": "thresholds = 2020-01-01",
    "array": "thresholds = [1, 2]",
    "tables": "[[thresholds]]\np_value = 1",
    "table in table": "[thresholds.p_value]\nx = 1",
    "tables in table": "[[thresholds.p_value]]\nx = 1",
    "list": "[thresholds]\np_value = [1]",
    "nan": "[thresholds]\np_value = nan",
    "negative": "[thresholds]\np_value = -inf",
    "true": "[thresholds]\np_value = true",
    "400 digits": f"[thresholds]\np_value = {'9' * 400}",
    "5,000 digits": f"[thresholds]\np_value = {'9' * 5000}",
    "deep arrays": f"x = {'[' * 5000}{']' * 5000}",
    "deep tables": f"x = {'{a=' * 4000}",
    "dotted": f"{'a.' * 3000}a = 1",
    "other table": "[threshold]\np_value = 1",
    "hostile name": '[thresholds]\n"\\u001b[31m\\u202e" = 1',
    "hostile table": '["\\u001b[31m\\u202e"]',
    "long name": f"[thresholds]\n{'x' * 9000} = 1",
    "large": "# " + "x" * (1 << 14),
    "screen": "screen = 'light'",
    "no background": "[screen]\nbackground = 'white'",
    "several backgrounds": "[screen]\nbackground = ['light']",
    "other setting": "[screen]\ncolor = 'light'",
    "hostile setting": '[screen]\n"\\u001b[31m" = 1',
    "no target": "[slo]\nttfb = 5",
    "target as text": "[slo]\nttft = '500'",
    "target of nothing": "[slo]\nttft = 0",
    "negative target": "[slo]\ntpot = -1.5",
    "target beyond all": "[slo]\ne2e = 1e9",
    "target as truth": "[slo]\ne2e = true",
    "hostile target": '[slo]\n"\\u001b[31m" = 1',
    "targets as list": "slo = [500]",
    "no TOML": "[thresholds",
    "same twice": "[thresholds]\n[thresholds]",
    "no UTF-8": b"\xff\xfe",
    "NUL": "\0",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_that_cannot_be_used_is_refused_with_a_sentence(tmp_path, shape):
    path = tmp_path / "c.toml"
    content = SHAPES[shape]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadConfig) as refused:
        from_file(path)
    assert str(path) in str(refused.value)
    assert len(str(refused.value)) < 2000
    assert not raw_controls(str(refused.value))


@pytest.mark.parametrize(
    "content", ["", "[thresholds]", "# nothing\n", "[screen]", '[screen]\nbackground = "auto"']
)
def test_nothing_set_is_the_defaults(tmp_path, content):
    (tmp_path / "c.toml").write_text(content)
    assert from_file(tmp_path / "c.toml") == Config()


def test_what_is_no_file_is_refused_without_reading_it(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path, tmp_path / "none", *map(tmp_path.__truediv__, ("/dev/zero", "/dev/null"))):
        with pytest.raises(BadConfig, match=str(path)):
            from_file(path)


@pytest.mark.parametrize("background", ["dark", "light"])
def test_the_background_is_read(tmp_path, background):
    (tmp_path / "c.toml").write_text(f'[screen]\nbackground = "{background}"\n')
    assert from_file(tmp_path / "c.toml") == Config(background=background)


def test_a_config_is_read_before_the_first_frame_without_the_libraries_that_read_profiles(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('[thresholds]\np_value = 0.02\n[expected]\ndomain."dp0".share = 2\n')
    code = (
        "import sys, pathlib, lbtui.config; read = lbtui.config.from_file(pathlib.Path(sys.argv[1]));"
        "print(read.thresholds.p_value, *sorted({'polars', 'numpy', 'textual'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0.02"


def test_targets_are_read_in_the_order_in_which_they_are_told(tmp_path):
    (tmp_path / "c.toml").write_text("[slo]\ne2e = 9e3\nttft = 500\n")
    read = from_file(tmp_path / "c.toml").thresholds
    assert read.targets == (("ttft", 500.0), ("e2e", 9000.0))
    assert Thresholds().targets == ()
