import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faults import Invalid
from pagekit import PageTokens
from postgreskit import Column, Pages

TOKENS = PageTokens([b"k" * 32])
PAGES = Pages(TOKENS, "/things/List", default=3, limit=1000)

DAY = datetime(2026, 1, 1, tzinfo=UTC)
KEY = Column("id")
ORDERS = [
    (KEY,),
    (Column("id", descending=True),),
    (Column("rank"), KEY),
    (Column("rank", descending=True), Column("id", descending=True)),
    (Column("rank", descending=True), KEY),
    (Column("rank"), Column("name", descending=True), KEY),
    (Column("made", nullable=True), KEY),
    (Column("made", descending=True, nullable=True), KEY),
    (Column("name"), Column("made", descending=True, nullable=True), Column("rank"), Column("id", descending=True)),
    (Column("made", nullable=True), Column("name"), Column("id", descending=True)),
]

# Few different values, so that most rows are told apart by their key alone.
ROWS = st.lists(
    st.tuples(
        st.integers(-2, 2),
        st.sampled_from(["", "a", "B", "ä", "'; --"]),
        st.none() | st.sampled_from([DAY, DAY + timedelta(microseconds=1), DAY + timedelta(days=1)]),
    ),
    max_size=14,
)


@pytest.fixture
async def things(admin, role, database):
    """The table, and the database as the application reads it."""
    await admin.execute(
        "CREATE TABLE things (id uuid PRIMARY KEY, rank int NOT NULL, name text NOT NULL, made timestamptz)"
    )
    await admin.execute(f"GRANT SELECT ON things TO {role}")
    return database


async def insert(admin, rows):
    await admin.executemany("INSERT INTO things VALUES ($1, $2, $3, $4)", [(uuid4(), *row) for row in rows])


async def walk(database, order, size, between=None):
    """Every row of every page."""
    token, seen = "", []
    while True:
        page = PAGES.open(size=size, token=token, order=order)
        async with database.transaction() as tx:
            result = await page.fetch(tx, "SELECT * FROM things WHERE rank < $1", 1000)
        assert len(result.rows) <= size
        seen += result.rows
        assert len(seen) <= 100, "it comes to an end"
        token = result.next_token
        if not token:
            return seen
        if between is not None:
            await between()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from(ORDERS))
async def test_each_row_is_seen_once_and_in_order_while_others_are_added(things, admin, data, order):
    rows, more, size = data.draw(ROWS), data.draw(ROWS), data.draw(st.integers(1, 5))
    await admin.execute("TRUNCATE things")
    await insert(admin, rows)
    before = {row["id"] for row in await admin.fetch("SELECT id FROM things")}
    added = iter(more)

    async def add_one():
        await insert(admin, [row for row in [next(added, None)] if row])

    seen = [row["id"] for row in await walk(things, order, size, add_one)]
    assert len(seen) == len(set(seen))
    assert before <= set(seen)

    terms = ", ".join(f"{column.name} {'DESC' if column.descending else ''}" for column in order)
    now = [row["id"] for row in await admin.fetch(f"SELECT id FROM things ORDER BY {terms}")]
    assert seen == [each for each in now if each in set(seen)]


async def test_a_page_of_exactly_all_rows_is_the_last_one(things, admin):
    await insert(admin, [(number, "", None) for number in range(3)])
    page = PAGES.open(size=3, token="", order=ORDERS[0])
    async with things.transaction() as tx:
        result = await page.fetch(tx, "SELECT * FROM things")
    assert (len(result.rows), result.next_token) == (3, "")


async def test_an_order_by_any_type_goes_on_where_it_stopped(database):
    """A token gives every value back to the driver as the driver gave it."""
    values = [
        ("integer", 1 << 30),
        ("bigint", 1 << 62),
        ("double precision", 0.1),
        ("boolean", True),
        ("text", 'ä"\\€😀'),
        ("numeric", Decimal("1.0000000000000000001")),
        ("uuid", UUID(int=1)),
        ("date", date(2026, 1, 1)),
        ("timestamp", datetime(2026, 1, 1, 0, 0, 0, 1)),  # noqa: DTZ001 - a type without zone
        ("timestamptz", DAY + timedelta(microseconds=1)),
    ]
    for kind, value in values:
        order = (Column("value"), Column("id"))
        query = f"SELECT $1::{kind} AS value, id FROM generate_series(1, 3) AS id"
        ids, token = [], ""
        for _ in range(3):
            async with database.transaction() as tx:
                page = await PAGES.open(size=1, token=token, order=order).fetch(tx, query, value)
            ids += [row["id"] for row in page.rows]
            token = page.next_token
        assert (ids, token) == ([1, 2, 3], ""), kind


async def test_a_column_that_makes_no_token(database):
    page = PAGES.open(size=1, token="", order=(Column("value"),))
    async with database.transaction() as tx:
        with pytest.raises(TypeError, match="ordered by a bytes"):
            await page.fetch(tx, "SELECT 'x'::bytea AS value FROM generate_series(1, 2)")
        with pytest.raises(ValueError, match="too much for a page token"):
            await page.fetch(tx, "SELECT repeat('x', 1000) AS value FROM generate_series(1, 2)")


@pytest.mark.usefixtures("things")
async def test_an_index_serves_a_page_deep_in_the_list(admin):
    """The query is merged with its page: a page costs the same wherever it is."""
    await admin.execute("""
        INSERT INTO things SELECT uuidv7(), number % 100, '', now() FROM generate_series(1, 20000) AS number;
        CREATE INDEX ON things (rank DESC, id DESC);
        CREATE INDEX ON things (made, id DESC);
        ANALYZE things""")
    for order in (ORDERS[3], (Column("made"), Column("id", descending=True))):
        row = await admin.fetchrow("SELECT * FROM things WHERE rank = 50 LIMIT 1")
        first = PAGES.open(size=3, token="", order=order)
        token = first.close([row] * 4).next_token
        sql, arguments = PAGES.open(size=3, token=token, order=order).select(
            "SELECT * FROM things WHERE rank < $1", 1000
        )
        plan = "\n".join(line[0] for line in await admin.fetch(f"EXPLAIN {sql}", *arguments))
        assert "Index Cond" in plan
        assert "Sort" not in plan
        assert "Seq Scan" not in plan


# ------------------------------------------------------------------------------------------------------------ bad input


async def next_token(database, **changes):
    given_ = {"size": 1, "token": "", "order": (Column("id"),), "scope": ["state = NEW"]} | changes
    async with database.transaction() as tx:
        page = await PAGES.open(**given_).fetch(tx, "SELECT id, id AS name FROM generate_series(1, 2) AS id")
    return page.next_token


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": ["state = OLD"]},
        {"scope": []},
        {"scope": ["state = NEW", ""]},
        {"order": (Column("id", descending=True),)},
        {"order": (Column("name"), Column("id"))},
    ],
)
async def test_a_token_is_good_for_its_own_list_alone(database, changes):
    token = await next_token(database)
    assert await next_token(database, token=token) == ""
    with pytest.raises(Invalid) as caught:
        await next_token(database, token=token, **changes)
    assert (caught.value.reason, caught.value.domain) == ("PAGE_TOKEN_INVALID", "tenantmesh")


async def test_a_token_of_another_method_is_refused(database):
    token = await next_token(database)
    with pytest.raises(Invalid):
        Pages(TOKENS, "/things/Other").open(size=1, token=token, order=(Column("id"),), scope=["state = NEW"])


async def test_a_token_that_was_changed_is_refused(database):
    token = await next_token(database)
    for position in range(len(token) - 1):
        changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        with pytest.raises(Invalid):
            await next_token(database, token=changed)


@pytest.mark.parametrize(("asked", "size"), [(0, 3), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)])
def test_a_page_size_has_a_default_and_a_limit(asked, size):
    assert PAGES.open(size=asked, token="", order=(Column("id"),)).size == size


def test_a_negative_page_size_is_refused():
    with pytest.raises(Invalid) as caught:
        PAGES.open(size=-1, token="", order=(Column("id"),))
    assert [violation.field for violation in caught.value.violations] == ["page_size"]


async def test_pages_fetched_side_by_side_do_not_disturb_each_other(database):
    tokens = await asyncio.gather(*(next_token(database) for _ in range(8)))
    assert len(set(tokens)) == 1
