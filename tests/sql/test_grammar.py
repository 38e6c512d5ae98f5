import pytest

from lbtui.sql.grammar import FRAMES, MOST_CHARACTERS, Refused, checked


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("SELECT 1", ()),
        ("select * from steps", ("steps",)),
        ("SELECT * FROM STEPS;", ("steps",)),
        ('SELECT * FROM "steps" -- kv\n', ("steps",)),
        ("SELECT * FROM `kv` /* steps /* nested */ requests */", ("kv",)),
        ("SELECT 'steps', '-- ''kv''' FROM nodes", ("nodes",)),
        ("WITH a AS (SELECT * FROM kv) SELECT * FROM a JOIN batches USING (domain) ; ;", ("batches", "kv")),
        ("EXPLAIN SELECT * FROM requests", ("requests",)),
        ("SELECT steps(1)", ()),
        ("SELECT replace(phase, 'a', 'b') FROM steps", ("steps",)),
        ('SELECT 1 AS "update" FROM kv', ("kv",)),
        ("SELECT 'read_csv(' FROM kv", ("kv",)),
    ],
)
def test_what_only_reads_passes_with_the_frames_that_it_names(text, frames):
    assert checked(text).frames == frames


def test_show_tables_names_none_and_is_known():
    query = checked("show tables;")
    assert query.shows_tables
    assert query.frames == ()
    assert not checked("SELECT 1").shows_tables


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM steps",
        "EXPLAIN DELETE FROM steps",
        "EXPLAIN ANALYZE SELECT 1",
        "WITH a AS (SELECT 1) DELETE FROM steps",
        "CREATE TABLE x AS SELECT * FROM steps",
        "DROP TABLE steps",
        "TRUNCATE TABLE steps",
        "INSERT INTO steps VALUES (1)",
        "UPDATE steps SET tokens = 1",
        "COPY steps TO '/tmp/x.csv'",
        "SELECT * INTO x FROM steps",
        "/* SELECT */ DROP TABLE steps",
        "-- SELECT\nDROP TABLE steps",
        "FROM steps",
        "VALUES (1)",
        "(SELECT 1)",
        "SHOW COLUMNS FROM steps",
        "SHOW TABLES FROM steps",
        "SHOW",
        "EXPLAIN",
    ],
)
def test_what_is_no_query_is_refused(text):
    with pytest.raises(Refused, match=r"is not run|only SELECT, WITH"):
        checked(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM READ_CSV ('/etc/passwd')",
        "SELECT * FROM read_csv/**/('/etc/passwd')",
        "SELECT * FROM read_csv -- (\n('/etc/*')",
        "SELECT * FROM \"read_csv\"('/etc/passwd')",
        "SELECT * FROM `read_parquet`('http://127.0.0.1/x')",
        "WITH a AS (SELECT * FROM read_json('x')) SELECT * FROM a",
        "SELECT (SELECT max(x) FROM read_ipc('/x')) FROM steps",
        "EXPLAIN SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM steps UNION SELECT * FROM scan_parquet('s3://a/*')",
    ],
)
def test_functions_that_read_are_refused_however_they_are_written(text):
    with pytest.raises(Refused, match=r"\(\) is not run: a query reads frames of the profile"):
        checked(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        (" ;; -- nothing", "is empty"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("SELECT 1; DROP TABLE steps", "one statement"),
        ("SELECT 'a", "not closed"),
        ('SELECT "a', "not closed"),
        ("SELECT 1 /* a /* b */", "comment"),
        ("SELECT $$a$$", "plain single quotes"),
        ("SELECT $a$ ' $a$ FROM read_csv('x') --'", "plain single quotes"),
        ("SELECT E'a\\' FROM read_csv('x') --'", "plain single quotes"),
        ("SELECT 1\0", "character 0"),
        ("SELECT " + "1+" * (MOST_CHARACTERS // 2) + "1", "longer than 50,000"),
    ],
)
def test_what_could_be_read_in_two_ways_or_is_too_much_is_refused(text, why):
    with pytest.raises(Refused, match=why):
        checked(text)


def test_what_is_said_of_a_query_holds_no_control_characters():
    with pytest.raises(Refused) as refused:
        checked("\x1b[31mSELECT 1")
    assert str(refused.value).isprintable()


def test_no_column_is_named_as_a_table():
    from lbtui.profile.schema import SCHEMAS

    assert {column for schema in SCHEMAS.values() for column in schema}.isdisjoint(FRAMES)
