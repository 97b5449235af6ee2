import asyncio
import json
from datetime import timedelta
from importlib.resources import files
from uuid import uuid4

import asyncpg
import pytest

from faults import Internal, Invalid, NotFound, Unavailable
from postgreskit import Target, answered, migrate, once, request_key, sweep
from postgreskit.migration_files import migrations_of
from settingskit import Secret

pytestmark = pytest.mark.usefixtures("requests", "notes")

REQUEST_ID = "01999999-0000-7000-8000-00000000000a"
MOMENT = timedelta(milliseconds=50)


@pytest.fixture
async def requests(owner, role):
    """The table, made by the migration of a service."""
    ddl = files("postgreskit").joinpath("idempotency.sql").read_text()
    target = Target(identifiers={"application_role": role})
    await migrate(Secret(owner), migrations_of({"0001_idempotent_requests.sql": ddl}), target)


@pytest.fixture
def acme(database):
    return database.tenant(uuid4())


def key(tenant, payload=b"text: kept", **changes):
    given = {"caller": "spiffe://mesh/worker", "method": "/notes/Add", "request_id": REQUEST_ID} | changes
    return request_key(payload=payload, tenant_id=tenant.tenant_id, **given)


class Desk:
    """Where notes are added, each time under a number of its own."""

    def __init__(self, tenant):
        self.tenant = tenant
        self.done = 0

    async def add(self, text="kept", *, key, before=None, **options):
        async with self.tenant.transaction() as tx:
            return await once(tx, key, lambda: self._work(tx, text, before), **options)

    async def _work(self, tx, text, before):
        if before is not None:
            await before()
        self.done += 1
        await tx.execute("INSERT INTO notes (tenant_id, text) VALUES ($1, $2)", self.tenant.tenant_id, text)
        return json.dumps({"text": text, "number": self.done}).encode()


@pytest.fixture
def desk(acme):
    return Desk(acme)


async def test_the_second_time_the_first_answer_is_given(desk, acme, admin):
    first = await desk.add(key=key(acme))
    assert await desk.add(key=key(acme)) == first == b'{"text": "kept", "number": 1}'
    assert desk.done == 1
    assert await admin.fetchval("SELECT count(*) FROM notes") == 1


async def test_an_answer_may_be_empty(acme):
    async def nothing():
        return b""

    for _ in range(2):
        async with acme.transaction() as tx:
            assert await once(tx, key(acme), nothing) == b""


async def test_without_an_id_it_is_done_every_time(desk, acme):
    assert key(acme, request_id="") is None
    await desk.add("one", key=None)
    await desk.add("two", key=None)
    assert desk.done == 2


@pytest.mark.parametrize(
    "changes", [{"caller": "spiffe://mesh/other"}, {"method": "/notes/Put"}, {"request_id": str(uuid4())}]
)
async def test_another_caller_method_or_id_is_another_request(desk, acme, changes):
    await desk.add("one", key=key(acme))
    await desk.add("two", key=key(acme, **changes))
    assert desk.done == 2


async def test_the_same_id_for_another_tenant_is_another_request(desk, acme, database):
    other = Desk(database.tenant(uuid4()))
    await desk.add(key=key(acme))
    await other.add(key=key(other.tenant))
    assert (desk.done, other.done) == (1, 1)


async def test_the_same_id_with_another_request_is_refused(desk, acme, admin):
    await desk.add(key=key(acme))
    with pytest.raises(Invalid) as caught:
        await desk.add("other", key=key(acme, b"text: other"))
    fault = caught.value
    assert (fault.reason, fault.domain, fault.facts) == ("REQUEST_ID_REUSED", "tenantmesh", {"request_id": REQUEST_ID})
    assert [violation.field for violation in fault.violations] == ["request_id"]
    assert await admin.fetchval("SELECT count(*) FROM notes") == 1


async def test_work_that_fails_may_be_tried_again(desk, acme):
    async def fail():
        raise NotFound("No.", reason="LEAD_NOT_FOUND")

    with pytest.raises(NotFound):
        await desk.add(key=key(acme), before=fail)
    assert await desk.add(key=key(acme)) == b'{"text": "kept", "number": 1}'


async def test_work_that_failed_in_a_transaction_that_was_committed_may_be_tried_again(desk, acme):
    async def fail():
        raise NotFound("No.", reason="LEAD_NOT_FOUND")

    async with acme.transaction() as tx:
        with pytest.raises(NotFound):
            await once(tx, key(acme), fail)
    assert await desk.add(key=key(acme)) == b'{"text": "kept", "number": 1}'


async def test_an_answer_too_large_to_keep_is_refused_whole(acme, admin):
    async def much():
        return bytes((1 << 20) + 1)

    with pytest.raises(Internal):
        async with acme.transaction() as tx:
            await once(tx, key(acme), much)
    assert await admin.fetchval("SELECT count(*) FROM idempotent_requests") == 0


# --------------------------------------------------------------------------------------------------------- side by side


async def test_of_two_at_once_one_does_it_and_the_other_waits_for_its_answer(desk, acme, admin, until):
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def until_the_other_waits():
        await until(lambda: admin.fetchval(waits))

    answers = await asyncio.gather(*(desk.add(key=key(acme), before=until_the_other_waits) for _ in range(2)))
    assert answers == [b'{"text": "kept", "number": 1}'] * 2
    assert desk.done == 1


async def test_the_one_that_waits_does_it_itself_when_the_first_fails(desk, acme, admin, until):
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def fail_once_the_other_waits():
        await until(lambda: admin.fetchval(waits))
        raise NotFound("No.", reason="LEAD_NOT_FOUND")

    holding = asyncio.Event()

    async def first():
        async def before():
            holding.set()
            await fail_once_the_other_waits()

        await desk.add(key=key(acme), before=before)

    task = asyncio.create_task(first())
    await holding.wait()
    assert await desk.add(key=key(acme)) == b'{"text": "kept", "number": 1}'
    with pytest.raises(NotFound):
        await task


async def test_a_storm_of_one_request_is_one_deed(desk, acme):
    answers = await asyncio.gather(*(desk.add(key=key(acme)) for _ in range(32)))
    assert len(set(answers)) == 1
    assert desk.done == 1


async def test_a_storm_of_other_requests_under_one_id_is_one_deed_and_refusals(desk, acme):
    adds = (desk.add(str(number), key=key(acme, str(number).encode())) for number in range(16))
    answers = await asyncio.gather(*adds, return_exceptions=True)
    assert sum(isinstance(answer, bytes) for answer in answers) == 1
    assert {answer.reason for answer in answers if not isinstance(answer, bytes)} == {"REQUEST_ID_REUSED"}


# ---------------------------------------------------------------------------------------------------------- the network


async def test_an_answer_lost_after_the_commit_is_given_again(proxied, admin):
    async with proxied() as (proxy, database):
        tenant = database.tenant(uuid4())
        desk = Desk(tenant)
        with pytest.raises(Unavailable):
            async with tenant.transaction() as tx:
                await once(tx, key(tenant), lambda: desk._work(tx, "kept", None))
                proxy.drop_reply = True  # the COMMIT arrives, and the connection breaks before it is answered
        assert await admin.fetchval("SELECT count(*) FROM notes") == 1
        await proxy.heal()
        assert await desk.add(key=key(tenant)) == b'{"text": "kept", "number": 1}'
        assert await admin.fetchval("SELECT count(*) FROM notes") == 1


async def test_a_request_lost_before_the_commit_is_done_by_the_next(proxied, admin):
    async with proxied() as (proxy, database):
        desk = Desk(database.tenant(uuid4()))

        async def cut():
            proxy.cut()

        with pytest.raises(Unavailable):
            await desk.add(key=key(desk.tenant), before=cut)
        assert await desk.add(key=key(desk.tenant)) == b'{"text": "kept", "number": 2}'
        assert await admin.fetchval("SELECT count(*) FROM notes") == 1


# ----------------------------------------------------------------------------------------------------------- forgetting


async def test_what_has_expired_is_forgotten_and_may_come_again(desk, acme, admin):
    await desk.add("one", key=key(acme), kept=-MOMENT)
    await desk.add("two", key=key(acme, b"other"))
    assert desk.done == 2
    assert await admin.fetchval("SELECT count(*) FROM idempotent_requests") == 1


async def test_a_sweep_forgets_what_has_expired_of_every_tenant(desk, acme, database, admin):
    other = Desk(database.tenant(uuid4()))
    for number in range(3):
        await desk.add(str(number), key=key(acme, request_id=str(uuid4())), kept=-MOMENT)
        await other.add(str(number), key=key(other.tenant, request_id=str(uuid4())), kept=-MOMENT)
    await desk.add(key=key(acme))
    async with database.transaction() as tx:
        assert [await sweep(tx, limit=4), await sweep(tx), await sweep(tx)] == [4, 2, 0]
    assert await admin.fetchval("SELECT count(*) FROM idempotent_requests") == 1


async def test_nobody_else_sees_or_forgets_what_is_kept_for_a_tenant(desk, acme, database):
    await desk.add("one", key=key(acme), kept=-MOMENT)
    async with database.tenant(uuid4()).transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM idempotent_requests") == 0
        assert await sweep(tx) == 0
    await desk.add("two", key=key(acme))
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM idempotent_requests") == 0
        assert await sweep(tx) == 0


async def test_an_answer_being_given_again_is_not_swept_away_meanwhile(desk, acme, database, admin, until):
    await desk.add(key=key(acme), kept=timedelta(seconds=1))
    async with acme.transaction() as tx:
        assert await once(tx, key(acme), lambda: desk._work(tx, "again", None)) == b'{"text": "kept", "number": 1}'
        expired = "SELECT count(*) FROM idempotent_requests WHERE expires_at <= clock_timestamp()"
        await until(lambda: admin.fetchval(expired))
        async with database.transaction() as other:
            await other.execute("SET LOCAL lock_timeout = '50ms'")
            with pytest.raises(asyncpg.LockNotAvailableError):
                async with other.transaction():
                    await sweep(other)
    async with database.transaction() as other:
        assert await sweep(other) == 1


async def test_requests_of_no_tenant_are_kept_apart(database, acme):
    of_nobody = request_key(caller="me", method="/leads/Create", request_id=REQUEST_ID, payload=b"")
    done = []

    async def work():
        done.append(1)
        return b"done"

    for _ in range(2):
        async with database.transaction() as tx:
            assert await once(tx, of_nobody, work) == b"done"
    assert len(done) == 1
    with pytest.raises(Internal):  # the key of one tenant in the transaction of another
        async with acme.transaction() as tx:
            await once(tx, of_nobody, work)


def test_ids_are_uuids(acme):
    for change in ({"request_id": "1"}, {"tenant_id": "acme"}):
        given = {"caller": "c", "method": "m", "request_id": REQUEST_ID, "payload": b"", "tenant_id": acme.tenant_id}
        with pytest.raises(ValueError, match="badly formed"):
            request_key(**(given | change))


async def test_what_is_answered_is_known_as_long_as_it_is_kept(desk, acme):
    one = key(acme)

    async def known(which):
        async with acme.transaction() as tx:
            return await answered(tx, which)

    assert not await known(one)
    await desk.add(key=one, kept=timedelta(hours=1))
    assert await known(one)
    assert not await known(key(acme, caller="somebody else"))
    assert not await known(None)
    await desk.add("gone", key=key(acme, method="/notes/Other"), kept=timedelta(0))
    assert not await known(key(acme, method="/notes/Other"))
