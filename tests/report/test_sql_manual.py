"""The page on SQL against the schema and the demo."""

import inspect
import re
from pathlib import Path

import polars as pl
import pytest

import lbtui
from lbtui.manual import text_of
from lbtui.profile import schema
from lbtui.profile.schema import SCHEMAS
from lbtui.sql import Asked, ask, checked
from lbtui.sql.ask import MOST_MEMORY
from lbtui.sql.grammar import MOST_CHARACTERS

PAGE = text_of("sql")
TYPES = {pl.String: "text", pl.Int32: "integer", pl.Int64: "integer", pl.Float64: "number"}
EXAMPLES = re.findall(r"```sql\n(.+?)```", PAGE, re.DOTALL) + re.findall(r'--sql "(.+?)"\n', PAGE)


def rows(text):
    return re.findall(r"^\| `(\w+)` \| (?:(\w+) \| )?(.+?) \|$", text, re.MULTILINE)


def test_every_table_and_column_stands_there_in_order_with_type_and_meaning():
    overview, *tables = PAGE.partition("## Tables\n")[2].split("\n### ")
    assert [name for name, _type, meaning in rows(overview) if meaning.strip()] == list(SCHEMAS)
    assert [table.partition("\n")[0] for table in tables] == list(SCHEMAS)
    for table in tables:
        name = table.partition("\n")[0]
        wanted = [(column, TYPES.get(kind.base_type(), "time")) for column, kind in SCHEMAS[name].items()]
        found = rows(table)
        assert [(column, kind) for column, kind, _meaning in found] == wanted
        assert all(meaning.strip() for _column, _kind, meaning in found)


def test_the_unit_that_the_schema_names_is_the_page_s():
    blocks = re.split(r'\n    "(\w+)": _columns\(', inspect.getsource(schema))[1:]
    told = 0
    for name, block in zip(blocks[::2], blocks[1::2], strict=True):
        meanings = {c: m for c, _t, m in rows(PAGE.partition(f"\n### {name}\n")[2].partition("\n### ")[0])}
        for column, comment in re.findall(r'^\s+"(\w+)": [\w.]+,  # (.+)$', block, re.MULTILINE):
            for unit in re.findall(
                r"\b(?:ms|ns|tokens|requests|0\.\.1|95 %|ip:port|pid|null)(?!\w)", comment
            ):
                assert unit in meanings[column], (name, column)
                told += 1
    assert told > 20


def test_the_limits_are_those_of_the_code():
    flowing = " ".join(PAGE.split())
    assert f"{MOST_CHARACTERS:,} characters" in flowing
    assert f"{MOST_MEMORY >> 20:,} MiB of address space" in flowing


@pytest.mark.parametrize("query", EXAMPLES)
def test_every_example_runs_on_the_demo_and_finds_rows(query):
    demo = Path(lbtui.__file__).parent / "demo" / "output"
    answered = ask(Asked(checked(query), demo))
    assert not answered.frame.is_empty()
    assert answered.notes == []


def test_there_are_examples():
    assert len(EXAMPLES) >= 7
