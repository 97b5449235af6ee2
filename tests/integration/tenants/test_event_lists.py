"""What a page of events costs: as much as the page has, however many events there are that it does not show.

The plans are those of the application role, and of the operator it becomes: row-level security takes indexes away.
"""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from tests.fixtures.plans import Explained

from pagekit import PageTokens
from postgreskit import Column, Pages
from tenants_service.events.model import Filter
from tenants_service.events.store import read_page
from tenants_service.watching.store import EventRecord

pytestmark = pytest.mark.usefixtures("many")

MANY, LATE, PAGE = 20_000, 400, 50
TENANT = UUID(int=7)
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)

# Many that are alike, and some that come late: who walks to them along the positions passes all the others.
FILL = """
INSERT INTO domain_events
    (tenant_id, event_id, event_type, aggregate_type, aggregate_id, event_data, metadata, create_time)
SELECT
    CASE WHEN late THEN $3::uuid ELSE md5((n % 100)::text)::uuid END,
    gen_random_uuid(),
    CASE WHEN NOT late THEN 'parcel.sent' WHEN n % 2 = 0 THEN 'parcel.lost' ELSE 'parcel.found' END,
    CASE WHEN late THEN 'stray' ELSE 'parcel' END,
    CASE WHEN late THEN 'x' ELSE (n % 100)::text END,
    '{}',
    jsonb_build_object('workflow_id', CASE WHEN late THEN 'search' ELSE 'sending-' || n % 100 END),
    $4::timestamptz + n * interval '10 seconds'
FROM (SELECT n, n >= $1::int - $2::int AS late FROM generate_series(0, $1::int - 1) AS n) AS numbers"""

LATELY = BEGUN + timedelta(seconds=10 * (MANY - LATE))
MIDDLE = BEGUN + timedelta(seconds=10 * MANY / 2)
FILTERS = {
    "none": Filter(),
    "tenant": Filter(tenant_id=TENANT),
    "kind": Filter(aggregate_type="stray"),
    "aggregate": Filter(aggregate_type="stray", aggregate_id="x"),
    "type": Filter(event_types=frozenset({"parcel.lost"})),
    "types": Filter(event_types=frozenset({"parcel.lost", "parcel.found", "parcel.burnt"})),
    "workflow": Filter(workflow_id="search"),
    "workflow and type": Filter(workflow_id="search", event_types=frozenset({"parcel.lost"})),
    "workflow of tenant": Filter(tenant_id=TENANT, workflow_id="search"),
    "type of tenant": Filter(tenant_id=TENANT, event_types=frozenset({"parcel.lost"})),
    "since": Filter(start_time=LATELY),
    "since the middle": Filter(start_time=MIDDLE),
    "until the middle": Filter(end_time=MIDDLE),
    "type since the middle": Filter(event_types=frozenset({"parcel.sent"}), start_time=MIDDLE),
    "type until the middle": Filter(event_types=frozenset({"parcel.sent"}), end_time=MIDDLE),
    "until": Filter(end_time=BEGUN + timedelta(seconds=10 * LATE)),
    "between": Filter(start_time=LATELY, end_time=LATELY + timedelta(seconds=10 * PAGE)),
}


@asynccontextmanager
async def seeing(records, wanted):
    async with records.of(wanted.tenant_id) if wanted.tenant_id else records.of_all() as tx:
        yield Explained(tx)


@pytest_asyncio.fixture(scope="module")
async def many(settings):
    owner = await asyncpg.connect(settings.database.admin_url.reveal())
    await owner.execute(FILL, MANY, LATE, TENANT, BEGUN)
    await owner.execute("VACUUM (ANALYZE) domain_events")
    await owner.close()


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("wanted", FILTERS.values(), ids=FILTERS)
async def test_a_page_looks_at_no_more_events_than_it_needs(records, settings, wanted, descending):
    order = (Column("position", descending=descending),)
    page = Pages(PageTokens.configured(settings.pages), "test").open(size=PAGE, token="", order=order)
    async with seeing(records, wanted) as explained:
        await read_page(explained, page, wanted)
    assert explained.is_frugal(2 * LATE), vars(explained)


@pytest.mark.parametrize("name", ["none", "tenant", "kind", "aggregate", "type", "types"])
async def test_a_stream_that_resumes_looks_at_no_more_events_than_it_needs(records, name):
    wanted, explained = FILTERS[name], None

    class Explaining:
        """The records as a stream reads them."""

        @asynccontextmanager
        async def of_all(self, *_):
            nonlocal explained
            async with seeing(records, wanted) as explained:
                yield explained

        of = of_all

    await EventRecord(Explaining()).read(wanted, after=1000, upto=10 * MANY, limit=PAGE)
    assert explained.is_frugal(2 * LATE), vars(explained)


async def test_a_time_at_the_ends_of_the_calendar_is_a_time_like_others(records, settings):
    page = Pages(PageTokens.configured(settings.pages), "test").open(size=PAGE, token="", order=(Column("position"),))
    ages = Filter(start_time=datetime(1, 1, 1, tzinfo=UTC), end_time=datetime(9999, 12, 31, tzinfo=UTC))
    async with records.of_all() as tx:
        events, _ = await read_page(tx, page, ages)
    assert len(events) == PAGE
