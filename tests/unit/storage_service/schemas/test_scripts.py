import pytest

from storage_service.schemas.providers.scripts import _statements

SCRIPT = """-- hello; world

/* a;
 b */
CREATE TABLE a (x text DEFAULT 'a;b');
CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF true THEN RETURN 1; END IF; END $$; SELECT 'it''s; ok';
  DO $x$ BEGIN PERFORM 1; END $x$;

SELECT 1"""


def test_statements_are_told_apart_and_each_has_the_line_it_begins_in():
    found = [(one.sql.split("\n")[-1][:12], one.line) for one in _statements(SCRIPT)]
    assert found == [
        ("CREATE TABLE", 5),
        ("CREATE FUNCT", 6),
        ("SELECT 'it''", 6),
        ("DO $x$ BEGIN", 7),
        ("SELECT 1", 9),
    ]


@pytest.mark.parametrize("sql", ["", ";", "-- nothing", "\n\n"])
def test_a_script_without_statements(sql):
    assert all(one.sql.strip() for one in _statements(sql))
