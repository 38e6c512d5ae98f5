"""The rows that the bench prints, and how they stand in the manual, in English and in Chinese."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

HEAD = "| what | target | measured: lbtui / beside it | ratio | met |\n|---|---|---|---|---|"
# Of every row that is printed, its cells.
TOLD: list[Row] = []

Row = tuple[str, str, str, str, str]
_NUMBER = re.compile(r"(?<![A-Za-z])\d[\d,.]*")
_WIDEST = 120
# What the rows say, but for their numbers; `,` parts what is said.
_CHINESE = {
    "DP lanes beside polars": "DP泳道，与polars对照",
    "DP lanes beside DuckDB": "DP泳道，与DuckDB对照",
    "DP lanes beside pandas": "DP泳道，与pandas对照",
    "findings and Overview beside polars": "问题与总览，与polars对照",
    "first lanes": "首批泳道",
    "forward.csv of # GB": "# GB的forward.csv",
    "first frame beside a minimal Textual app": "首帧，与最小的Textual应用对照",
    "first frame of the demo": "演示数据的首帧",
    "first lines of the demo": "演示数据的首批行",
    "key": "按键",
    "mean with background": "连同后台的均值",
    "a table of # rows": "#行的表",
    "a table of # rows beside VisiData": "#行的表，与VisiData对照",
    "opened": "打开",
    "page down": "下翻一页",
    "median": "中位数",
    "bytes": "字节数",
    "# DP domains: whole start": "#个DP域：整个启动过程",
    "# DP domains: change of pane": "#个DP域：切换页面",
    "# DP domains: move of the cursor": "#个DP域：移动光标",
    "lanes": "泳道",
    "lanes of P/D nodes": "P/D节点的泳道",
    "heat map": "热力图",
    "table": "表",
    "batch.csv": "batch.csv",
    "# requests a row": "每行#个请求",
    "trace of # MB": "# MB的trace",
    "on one core": "单核",
    "profiler.db beside SQLite": "profiler.db，与SQLite对照",
    "both with polars imported": "两者都导入polars",
    "profiler.db beside SQLite alone": "profiler.db，与单独的SQLite对照",
    "nine PNGs to numbers": "九张PNG转为数值",
    "whole process": "整个进程",
    "raw profile of # MB": "# MB的原始性能数据",
    "DP lanes": "DP泳道",
    "Overview with findings": "总览及问题",
    "upstream's parser alone": "仅上游的解析工具",
    "# runs": "#个运行",
    "first row": "首行",
    "first summary": "首个摘要",
    "screen imported and runs found": "导入屏幕模块并找到运行",
    "processor of all / of the runs": "全部的处理器时间 / 各运行的",
    "all": "全部",
    "again": "再次",
    "wall": "墙钟时间",
    "cpu": "CPU时间",
    "peak memory": "内存峰值",
    "p95": "p95",
    "Overview": "总览",
    "DP": "DP",
    "P/D": "P/D",
    "EP": "EP",
    "Requests": "请求",
    "Timeline": "时间线",
    "idle": "空闲时",
    "yes": "是",
    "no": "否",
}


@dataclass(frozen=True)
class Facts:
    """On what, when and beside what a table was measured."""

    when: str
    machine: str
    versions: str
    inputs: str
    load: str  # the others' share of the processors, in percent


def tell(row: str, target: str, measured: str, ratio: str, ok: bool | None, *, idle: bool = False) -> None:
    """Print one row; with `idle` its target holds only where nobody else uses the machine."""
    met = "" if ok is None else "yes" if ok else "no"
    TOLD.append((row, f"{target}, idle" if idle else target, measured, ratio, met))
    print(line(TOLD[-1]), flush=True)


def tell_peak(what: str, peak: float, most: int) -> None:
    """Print a row on memory, in MiB."""
    tell(f"{what}, peak memory", f"<= {most} MiB", f"{peak:.0f} MiB", f"{peak / most:.2f}", peak <= most)


def line(row: Row) -> str:
    """Return a row as Markdown."""
    return f"| {' | '.join(row)} |"


def in_english(facts: Facts, rows: Sequence[Row]) -> str:
    """Return what stands between the marks of the English page."""
    text = (
        f"{facts.when}, {facts.machine}; {facts.versions}; {facts.inputs}. Others used {facts.load} % of the "
        "processors meanwhile. A target that says idle holds where nobody else uses the machine."
    )
    return _page(text, "| what | target | measured: lbtui / beside it | ratio | met |", rows, _WIDEST)


def in_chinese(facts: Facts, rows: Sequence[Row]) -> str:
    """Return what stands between the marks of the Chinese page; what has no Chinese here stays English."""
    text = (
        f"{facts.when}, {facts.machine}; {facts.versions}; {facts.inputs}. "
        f"期间其他任务占用处理器的{facts.load} %。 标有“空闲时”的目标在无人使用本机时成立。"
    )
    told = [(_said(row[0]), _said(row[1]), row[2], row[3], _said(row[4])) for row in rows]
    return _page(text, "| 项目 | 目标 | 实测：lbtui / 对照 | 比值 | 达到 |", told, _WIDEST - 30)


def _page(text: str, head: str, rows: Sequence[Row], width: int) -> str:
    prose = textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
    return "\n".join([prose, "", head, "|---|---|---|---|---|", *map(line, rows)])


def _said(cell: str) -> str:
    """Return a cell in Chinese."""
    return "，".join(map(_part, cell.split(", "))) if cell else ""


def _part(words: str) -> str:
    numbers = _NUMBER.findall(words)
    said = _CHINESE.get(words) or _CHINESE.get(_NUMBER.sub("#", words))
    return words if said is None else re.sub("#", lambda _found: numbers.pop(0), said)


def between(page: str, heading: str, text: str) -> str:
    """Return a page with another text between a heading of the second level and the next."""
    before, mark, rest = page.partition(f"\n## {heading}\n")
    _old, after, tail = rest.partition("\n## ")
    if not mark or not after:
        raise ValueError(f"no part {heading!r} with another behind it")
    return f"{before}{mark}\n{text}\n{after}{tail}"
