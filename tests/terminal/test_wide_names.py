"""Host names of wide characters, as in a cluster named in Chinese, shift no column."""

import shutil

import pytest
from rich.cells import cell_len

from lbtui.render.capabilities import Capabilities
from tests.terminal.driven import DEMO, drive, pane_rows, press

# As many cells as the names they stand for, so that every picture must keep its shape.
NAMES = {b"mindie-server-d0": "解码服务器甲-d0".encode(), b"mindie-server-p0": "预填充节点é-p0".encode()}


@pytest.fixture(scope="module")
def chinese(tmp_path_factory):
    folder = tmp_path_factory.mktemp("中文") / "输出"
    shutil.copytree(DEMO, folder)
    changed = 0
    for file in sorted(folder.rglob("*.csv")):
        raw = data = file.read_bytes()
        for old, new in NAMES.items():
            data = data.replace(old, new)
        changed += data != raw
        file.write_bytes(data)
    assert changed >= 3
    return folder


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=str)
def test_every_row_is_as_wide_as_the_screen(chinese, size, unicode):
    async def scenario(app, pilot):
        seen = ""
        for pane in "12345":
            await press(app, pilot, pane)
            for row in pane_rows(app):
                text = "".join(segment.text for segment in row)
                assert cell_len(text) == size[0], (pane, text)
                seen += text
        assert ("服务器" if unicode else "\\u670d") in seen

    drive(Capabilities("256", unicode), scenario, size, chinese)


def test_lanes_begin_in_the_same_column(chinese):
    async def scenario(app, pilot):
        await press(app, pilot, "2")
        starts = set()
        for row in pane_rows(app):
            text = "".join(segment.text for segment in row)
            place = min((text.find(bar) for bar in "▁▂▃▄▅▆▇█·" if bar in text), default=-1)
            if " dp" in text[:place] and place > 0:
                starts.add(cell_len(text[:place]))
        assert len(starts) == 1

    drive(Capabilities("256"), scenario, (140, 40), chinese)
