import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults import Conflict, Invalid
from postgreskit import Newer, load_migrations
from postgreskit.migration_files import Applied, Migration, migrations_of, pending

INDEX = "CREATE INDEX CONCURRENTLY IF NOT EXISTS by_name ON things (name);"
NO_TRANSACTION = "-- postgreskit: no transaction\n"


def migration(number, sql="SELECT 1;"):
    return Migration(number, f"{number:04}_step.sql", sql)


def applied(one):
    return Applied(one.version, one.file, one.checksum)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Makes a package of files and returns its name."""

    def package(texts):
        folder = tmp_path / "some_service" / "migrations"
        folder.mkdir(parents=True)
        for name, text in texts.items():
            (folder / name).write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "some_service", raising=False)
        return "some_service.migrations"

    return package


def test_a_package_is_read_in_order_and_only_its_sql(package):
    name = package({"0002_b.sql": "SELECT 2;", "0001_a.sql": "SELECT 1;", "__init__.py": "", "README.md": "x"})
    assert [(one.version, one.file, one.sql) for one in load_migrations(name)] == [
        (1, "0001_a.sql", "SELECT 1;"),
        (2, "0002_b.sql", "SELECT 2;"),
    ]


@pytest.mark.parametrize(
    ("names", "file"),
    [
        (["1_a.sql"], "1_a.sql"),
        (["0001-a.sql"], "0001-a.sql"),
        (["0001_A.sql"], "0001_A.sql"),
        (["0000_a.sql"], "0000_a.sql"),
        (["0002_a.sql"], "0002_a.sql"),
        (["0001_a.sql", "0003_c.sql"], "0003_c.sql"),
        (["0001_a.sql", "0001_b.sql"], "0001_b.sql"),
    ],
)
def test_a_name_that_is_none_a_gap_and_a_number_used_twice_are_refused(names, file):
    with pytest.raises(Invalid) as caught:
        migrations_of(dict.fromkeys(names, "SELECT 1;"))
    assert (caught.value.reason, caught.value.facts) == ("MIGRATION_INVALID", {"file": file})
    assert caught.value.message.startswith(file)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- nothing\n/* at\nall */ ;\n",
        "BEGIN;\nSELECT 1;\nCOMMIT;",
        "SELECT 1;\ncommit ;",
        "START TRANSACTION; SELECT 1;",
        INDEX,
        NO_TRANSACTION + "create unique index concurrently by_name ON things (name);",
    ],
)
def test_files_that_could_not_run_safely_are_refused(sql):
    with pytest.raises(Invalid):
        migrations_of({"0001_a.sql": sql})


def test_what_only_looks_like_a_transaction_is_none():
    block = "DO $body$\nBEGIN\n  PERFORM 1;\nEND;\n$body$;\n"
    function = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\nSELECT 1;\n$$;"
    assert migrations_of({"0001_a.sql": block + function})[0].transactional


def test_an_index_without_transaction_is_known_by_its_name():
    [one] = migrations_of({"0001_a.sql": NO_TRANSACTION + INDEX})
    assert (one.transactional, one.concurrent_index) == (False, "by_name")
    [other] = migrations_of({"0001_a.sql": NO_TRANSACTION + "VACUUM things;"})
    assert (other.transactional, other.concurrent_index) == (False, None)


def test_line_ends_are_no_change():
    assert migration(1, "a\r\nb").checksum == migration(1, "a\nb").checksum != migration(1, "a b").checksum


def test_identifiers_are_filled_in_and_quoted():
    one = migration(1, """GRANT SELECT ON t TO :"app", :"other"; SELECT 'x':: "text";""")
    assert one.statement({"app": 'a"b', "other": "c"}) == """GRANT SELECT ON t TO "a""b", "c"; SELECT 'x':: "text";"""
    with pytest.raises(Invalid, match="nobody said what :other is"):
        one.statement({"app": "a"})


@given(st.integers(0, 6), st.integers(0, 6))
def test_what_is_pending_is_what_the_schema_lacks(have, want):
    files = [migration(number) for number in range(1, want + 1)]
    past = [applied(migration(number)) for number in range(1, have + 1)]
    todo, unknown = pending(files, reversed(past))
    assert list(todo) == files[have:]
    assert list(unknown) == [one.file for one in past[want:]]


@pytest.mark.parametrize(
    ("past", "reason"),
    [
        ([migration(1, "SELECT 0;")], "MIGRATION_EDITED"),
        ([Migration(1, "0001_other.sql", "SELECT 1;")], "MIGRATION_RENAMED"),
        ([migration(2)], "MIGRATION_MISSING"),
        ([migration(1), migration(3)], "MIGRATION_MISSING"),
    ],
)
def test_a_past_that_is_not_the_beginning_of_the_files_is_refused(past, reason):
    with pytest.raises(Conflict) as caught:
        pending([migration(1), migration(2)], map(applied, past))
    assert caught.value.reason == reason


def test_a_schema_that_is_ahead_is_refused_only_on_demand():
    past = [applied(migration(1)), applied(migration(2))]
    assert pending([migration(1)], past, Newer.TOLERATE) == ((), ("0002_step.sql",))
    with pytest.raises(Conflict) as caught:
        pending([migration(1)], past, Newer.REFUSE)
    assert caught.value.reason == "MIGRATION_UNKNOWN"
    assert pending([migration(1)], past[:1], Newer.REFUSE) == ((), ())
