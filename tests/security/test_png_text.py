"""Texts in PNG pictures, of any size and content, change nothing and are shown nowhere."""

import shutil
import struct
import zlib
from pathlib import Path

import pytest

from lbtui.sources import open_profile
from tests.bench.fuzz import command, raw_controls

PICTURES = Path(__file__).parents[1] / "data" / "pd_ep_png"
HOSTILE = b"\x1b[31m\x1b]0;t\x07<script>@everyone\xff"
BOMB = zlib.compress(bytes(1 << 28))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


TEXTS = {
    "tEXt": chunk(b"tEXt", b"Comment\0" + HOSTILE),
    "key": chunk(b"tEXt", HOSTILE),
    "zTXt": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(HOSTILE)),
    "iTXt": chunk(b"iTXt", b"Comment\0\0\0en\0x\0" + HOSTILE),
    "many": chunk(b"tEXt", b"Comment\0" + HOSTILE * 1000) * 100,
    "bomb": chunk(b"zTXt", b"Comment\0\0" + BOMB),
    "iTXt bomb": chunk(b"iTXt", b"Comment\0\1\0en\0x\0" + BOMB),
    "ICC bomb": chunk(b"iCCP", b"profile\0\0" + BOMB),
    "no zlib": chunk(b"zTXt", b"Comment\0\0" + HOSTILE),
    "no end": chunk(b"iTXt", b"\0"),
    "EXIF": chunk(b"eXIf", HOSTILE),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_in_a_picture_changes_nothing(tmp_path, kind):
    plain, hostile = tmp_path / "plain", tmp_path / "hostile"
    for folder in (plain, hostile):
        folder.mkdir()
        for picture in PICTURES.glob("*_0_*.png"):
            shutil.copy(picture, folder)
    for picture in hostile.glob("*.png"):
        content = picture.read_bytes()
        head = 8 + 25  # the signature and IHDR
        picture.write_bytes(content[:head] + TEXTS[kind] + content[head:])
    expected = open_profile(plain).load("expert_heat")
    found = open_profile(hostile).load("expert_heat")
    assert found.frame.equals(expected.frame) or (found.frame.is_empty() and found.notes)
    for report in ("--json", "--report=markdown"):
        _code, out, err = command([report, str(hostile)], "utf-8")
        assert not raw_controls(out + err, "\n")
        assert "everyone" not in out + err
