"""What it costs to find invitations and resources: as much as there is to find, however many others there are."""

from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from tests.fixtures.plans import Explained

from pagekit import PageTokens
from postgreskit import Pages
from tenants_service.invitations import store as invitations
from tenants_service.invitations.handlers import _DUE, _DUE_AT, _ORDER
from tenants_service.resources import store as resources
from tenants_service.resources.handlers import _ORDER as BY_TYPE
from tenants_service.resources.handlers import _ORDER_OF_TYPE as OF_TYPE

pytestmark = pytest.mark.usefixtures("many")

MANY, TENANTS, PAGE = 20_000, 200, 20
OF_EACH = MANY // TENANTS
NOW = datetime(2026, 1, 31, tzinfo=UTC)
TENANT = UUID("f899139d-f5e1-0593-9643-1415e770c6dd")  # one of them, in the middle
_NOW = "timestamptz '2026-01-31T00:00Z'"
TENANT_ID = f"md5((n % {TENANTS})::text)::uuid"

# Most have come; of those that wait one in a hundred is due to be reminded of, and one to expire.
INVITATIONS = f"""
INSERT INTO invitations (
    tenant_id, invitation_id, email, first_name, last_name, roles, state, operation_id, principal, token_digest,
    token_create_time, expire_time, remind_time, resend_count, revoke_reason, revision, create_time, update_time)
SELECT {TENANT_ID}, uuidv7(), n || '@b.example', '', '', '{{member}}', 'PENDING', 'op-' || n % 1000, '',
    sha256(n::text::bytea), {_NOW},
    {_NOW} + CASE WHEN n % 100 = 7 THEN interval '-1 day' ELSE '7 days' END,
    {_NOW} + CASE WHEN n % 100 = 8 THEN interval '-1 day' ELSE '2 days' END,
    0, '', 1, {_NOW} - interval '9 days', {_NOW}
FROM generate_series(1, {MANY}) AS n"""
RESOURCES = f"""
INSERT INTO resources (
    tenant_id, resource_id, type, provider, identifier, uri, metadata, operation_id, revision, create_time, update_time)
SELECT {TENANT_ID}, uuidv7(), CASE WHEN n % 100 = 7 THEN 'stack' ELSE 'type_' || n % 9 END, 'any', n::text, '', '{{}}',
    'op-' || n % 1000, 1, {_NOW}, {_NOW}
FROM generate_series(1, {MANY}) AS n"""


@pytest_asyncio.fixture(scope="module")
async def many(settings):
    owner = await asyncpg.connect(settings.database.admin_url.reveal())
    for fill in (INVITATIONS, RESOURCES):
        await owner.execute(fill)
    assert await owner.fetchval("SELECT count(*) FROM invitations WHERE tenant_id = $1", TENANT) == OF_EACH
    await owner.execute("VACUUM (ANALYZE) invitations, resources")
    await owner.close()


@pytest.fixture
def page(settings):
    tokens = PageTokens.configured(settings.pages)

    def page(order, token=""):
        return Pages(tokens, "test").open(size=PAGE, token=token, order=order)

    return page


ALL, OWN = None, TENANT
LOOKS = {
    "a token": (ALL, 1, lambda tx, _: invitations.read_by_token(tx, b"0" * 32)),
    "the overdue": (ALL, PAGE, lambda tx, _: invitations.read_overdue(tx, NOW, PAGE, None)),
    "the overdue of one": (OWN, 2 * OF_EACH, lambda tx, _: invitations.read_overdue(tx, NOW, PAGE, TENANT)),
    "whom to remind": (ALL, 2 * MANY // 100, lambda tx, page: invitations.read_page(tx, page(_DUE), {_DUE_AT: NOW})),
    "invitations of one": (
        OWN, OF_EACH, lambda tx, page: invitations.read_page(tx, page(_ORDER), {"tenant_id = {}": TENANT}),
    ),
    "all resources": (ALL, PAGE + 1, lambda tx, page: listed(tx, page(BY_TYPE))),
    "resources of one": (OWN, OF_EACH, lambda tx, page: listed(tx, page(BY_TYPE))),
    "resources of a type": (ALL, PAGE + 1, lambda tx, page: listed(tx, page(OF_TYPE), kind="stack")),
    "resources of an operation": (
        ALL, 2 * MANY // 1000, lambda tx, page: listed(tx, page(BY_TYPE), operation_id="op-3"),
    ),
}  # fmt: skip


async def listed(tx, page, *, kind="", operation_id=""):
    return await resources.read_page(tx, page, kind=kind, provider="", operation_id=operation_id)


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
async def test_nobody_looks_at_more_than_there_is_to_find(records, page, look):
    tenant_id, most, find = look
    async with records.of(tenant_id) if tenant_id else records.of_all() as tx:
        explained = Explained(tx)
        await find(explained, page)
    assert explained.is_frugal(most), vars(explained)


async def test_the_next_page_begins_where_the_last_one_ended(records, page):
    async with records.of_all() as tx:
        _, token = await listed(tx, page(OF_TYPE), kind="stack")
        explained = Explained(tx)
        await listed(explained, page(OF_TYPE, token), kind="stack")
    assert explained.is_frugal(PAGE + 1), vars(explained)
