from datetime import UTC, datetime, timedelta

import pytest

from dns_service.model import Owner, Record, RecordData, RecordKey, RecordType
from dns_service.verification.model import Outcome, Reply, ReplyKind, Server, VerificationState
from dns_service.verification.service import LiveVerifier, Pace

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TTL = timedelta(seconds=300)
RECORD = Record(
    RecordKey("acme.example.com", RecordType.A),
    RecordData(("192.0.2.1",), TTL),
    Owner("a-tenant", "provision-acme", NOW),
    "rfc2136",
    "example.com",
)
NS = [Server(f"ns{index}.example.com", f"192.0.2.{index}") for index in (1, 2, 3)]
RESOLVERS = [Server.parse(address) for address in ("198.51.100.1", "198.51.100.2", "198.51.100.3")]
OLD, NEW = 7, 8
ANSWER = Reply(ReplyKind.ANSWERED, ("192.0.2.1",), with_authority=True, serial=NEW)
STALE = Reply(ReplyKind.ABSENT, with_authority=True, serial=OLD)
RESOLVED = Reply(ReplyKind.ANSWERED, ("192.0.2.1",), keeps=TTL)


class World:
    """Name servers that say what they are told to, and a time that passes only in sleep."""

    def __init__(self, authority=None, resolvers=None):
        self.now = NOW
        self.authority = authority if authority is not None else dict.fromkeys(NS, ANSWER)
        self.views = resolvers if resolvers is not None else dict.fromkeys(RESOLVERS, RESOLVED)
        self.asked = []
        self.slept = []
        self.happens = {}

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)
        for when in sorted(self.happens):
            if NOW + when <= self.now:
                self.happens.pop(when)()

    def after(self, seconds, change):
        self.happens[timedelta(seconds=seconds)] = change

    async def authoritative(self, zone):
        assert zone == "example.com"
        return list(self.authority)

    def resolvers(self):
        return list(self.views)

    async def ask_authority(self, server, record):
        assert record == self.record
        return self.authority[server]

    async def ask_resolver(self, server, record):
        assert record == self.record
        self.asked.append((server, self.now - NOW))
        return self.views[server]

    async def verify(self, patience=timedelta(minutes=10), quorum=2, record=RECORD, pace=None):
        self.record = record
        verifier = LiveVerifier(self, quorum=quorum, pace=pace, clock=self.clock, sleep=self.sleep)
        return [one async for one in verifier.verify(record, patience)]


async def test_all_servers_and_then_the_resolvers_have_it():
    world = World()
    (only,) = await world.verify()
    assert (only.state, only.rounds) == (VerificationState.VERIFIED, 1)
    assert [answer.server for answer in only.answers] == [
        "ns1.example.com (192.0.2.1)", "ns2.example.com (192.0.2.2)", "ns3.example.com (192.0.2.3)",
        "198.51.100.1", "198.51.100.2", "198.51.100.3",
    ]  # fmt: skip
    assert [answer.authoritative for answer in only.answers] == [True] * 3 + [False] * 3
    assert {answer.outcome for answer in only.answers} == {Outcome.MATCH}
    assert {answer.serial for answer in only.answers[:3]} == {NEW}
    assert {answer.time for answer in only.answers} == {NOW}


async def test_a_server_that_lags_is_waited_for_and_named_and_no_resolver_is_asked_before():
    world = World({**dict.fromkeys(NS, ANSWER), NS[1]: STALE})
    world.after(3, lambda: world.authority.update({NS[1]: ANSWER}))
    *waiting, last = await world.verify()
    assert {one.state for one in waiting} == {VerificationState.WAITING_FOR_AUTHORITATIVE}
    assert waiting[0].detail == "Not yet: ns2.example.com (192.0.2.2) still serves serial 7, others serve 8"
    assert [answer.outcome for answer in waiting[0].answers] == [Outcome.MATCH, Outcome.ABSENT, Outcome.MATCH]
    assert last.state is VerificationState.VERIFIED
    assert min(when for _, when in world.asked) >= timedelta(seconds=3)
    assert last.rounds == len(waiting) + 1


async def test_the_pauses_grow_to_a_bound():
    world = World(dict.fromkeys(NS, STALE))
    await world.verify(patience=timedelta(seconds=30))
    assert [round(pause, 1) for pause in world.slept[:7]] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    assert max(world.slept) == 5.0
    assert Pace().pause(10**6) == timedelta(seconds=5)


async def test_patience_ends_with_the_names_of_those_that_lag():
    world = World({NS[0]: ANSWER, NS[1]: STALE})
    *_, last = await world.verify(patience=timedelta(seconds=12))
    assert last.state is VerificationState.TIMED_OUT
    assert "ns2.example.com" in last.detail
    assert sum(world.slept) == pytest.approx(12)
    assert world.asked == []


async def test_without_patience_there_is_one_round():
    (only,) = await World(dict.fromkeys(NS, STALE)).verify(patience=timedelta())
    assert (only.state, only.rounds) == (VerificationState.TIMED_OUT, 1)


@pytest.mark.parametrize(
    ("reply", "outcome", "said"),
    [
        (Reply(ReplyKind.SILENT, detail="did not answer within 5 s"), Outcome.TIMEOUT, "did not answer within 5 s"),
        (Reply(ReplyKind.FAILED, detail="answered SERVFAIL"), Outcome.ERROR, "answered SERVFAIL"),
        (Reply(ReplyKind.ANSWERED, ("192.0.2.1",)), Outcome.ERROR, "answers without authority"),
        (Reply(ReplyKind.ANSWERED, ("192.0.2.66",), with_authority=True), Outcome.MISMATCH, "mismatch"),
        (Reply(ReplyKind.ABSENT, with_authority=True), Outcome.ABSENT, "absent"),
    ],
    ids=["silent", "failing", "without authority", "lying", "empty"],
)
async def test_one_server_of_the_zone_that_is_not_right_is_enough(reply, outcome, said):
    world = World({**dict.fromkeys(NS, ANSWER), NS[2]: reply})
    (only,) = await world.verify(patience=timedelta())
    assert only.state is VerificationState.TIMED_OUT
    assert only.answers[2].outcome is outcome
    assert only.detail == f"Not yet: ns3.example.com (192.0.2.3) {said}"
    assert world.asked == []


async def test_serials_wrap_around():
    before, after = 2**32 - 1, 1
    world = World({NS[0]: Reply(ReplyKind.ABSENT, with_authority=True, serial=before)})
    world.authority[NS[1]] = Reply(ReplyKind.ANSWERED, ("192.0.2.1",), with_authority=True, serial=after)
    (only,) = await world.verify(patience=timedelta())
    assert only.answers[0].detail == f"still serves serial {before}, others serve {after}"


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(ReplyKind.SILENT, detail="did not answer within 5 s"), Outcome.TIMEOUT),
        (Reply(ReplyKind.ANSWERED, ("192.0.2.66",), keeps=TTL), Outcome.MISMATCH),
        (Reply(ReplyKind.FAILED, detail="answered SERVFAIL"), Outcome.ERROR),
    ],
    ids=["never answers", "lies", "fails"],
)
async def test_one_resolver_of_three_may_be_wrong(reply, outcome):
    world = World(resolvers={**dict.fromkeys(RESOLVERS, RESOLVED), RESOLVERS[0]: reply})
    (only,) = await world.verify()
    assert only.state is VerificationState.VERIFIED
    assert only.answers[3].outcome is outcome
    assert only.detail == "Every server of the zone and 2 of 3 resolvers have it."


async def test_a_resolver_that_keeps_a_denial_is_left_alone_until_it_has_forgotten():
    denial = Reply(ReplyKind.ABSENT, keeps=timedelta(seconds=100))
    world = World(resolvers={RESOLVERS[0]: RESOLVED, RESOLVERS[1]: denial, RESOLVERS[2]: denial})
    world.after(100, lambda: world.views.update(dict.fromkeys(RESOLVERS, RESOLVED)))
    first, still, last = await world.verify()
    assert first.state is still.state is VerificationState.WAITING_FOR_RESOLVERS
    assert first.detail == (
        "Not yet: 198.51.100.2 keeps this answer until 00:01:40 UTC; 198.51.100.3 keeps this answer until 00:01:40 UTC"
    )
    assert world.slept == [60.0, 40.0]  # the caller hears once a minute
    assert last.state is VerificationState.VERIFIED
    times = [(server, when.total_seconds()) for server, when in world.asked]
    assert times == [(RESOLVERS[0], 0), (RESOLVERS[1], 0), (RESOLVERS[2], 0), (RESOLVERS[1], 100), (RESOLVERS[2], 100)]


async def test_the_first_that_forgets_is_asked_first():
    def denial(seconds):
        return Reply(ReplyKind.ABSENT, keeps=timedelta(seconds=seconds))

    world = World(resolvers={RESOLVERS[0]: RESOLVED, RESOLVERS[1]: denial(300), RESOLVERS[2]: denial(20)})
    world.after(20, lambda: world.views.update({RESOLVERS[2]: RESOLVED}))
    _, last = await world.verify()
    assert last.state is VerificationState.VERIFIED
    assert world.slept == [20.0]
    assert last.answers[4].outcome is Outcome.ABSENT


async def test_a_server_of_the_zone_that_falls_back_is_waited_for_again():
    denial = Reply(ReplyKind.ABSENT, keeps=timedelta(seconds=10))
    world = World(resolvers=dict.fromkeys(RESOLVERS, denial))
    world.after(10, lambda: world.authority.update({NS[0]: STALE}))
    world.after(
        12, lambda: (world.authority.update({NS[0]: ANSWER}), world.views.update(dict.fromkeys(RESOLVERS, RESOLVED)))
    )
    states = [one.state for one in await world.verify()]
    assert states[0] is VerificationState.WAITING_FOR_RESOLVERS
    assert VerificationState.WAITING_FOR_AUTHORITATIVE in states[1:-1]
    assert states[-1] is VerificationState.VERIFIED


async def test_without_resolvers_the_zones_own_servers_are_enough():
    (only,) = await World(resolvers={}).verify()
    assert only.state is VerificationState.VERIFIED


async def test_a_zone_whose_servers_nobody_finds_is_waited_for():
    world = World(authority={})
    world.after(1, lambda: world.authority.update(dict.fromkeys(NS, ANSWER)))
    first, *_, last = await world.verify()
    assert first.state is VerificationState.WAITING_FOR_AUTHORITATIVE
    assert first.detail == "The zone's own servers could not be found."
    assert last.state is VerificationState.VERIFIED


@pytest.mark.parametrize(
    "veiled",
    [
        Record(RECORD.key, RecordData(("192.0.2.1",), TTL, proxied=True), RECORD.owner, "cloudflare", "example.com"),
        Record(
            RecordKey("example.com", RecordType.CNAME),
            RecordData(("edge.example.net",), TTL),
            None,
            "cf",
            "example.com",
        ),
    ],
    ids=["proxied", "alias at the apex"],
)
async def test_addresses_of_the_providers_choice_count_where_it_answers_in_our_place(veiled):
    addresses = Reply(ReplyKind.ANSWERED, ("203.0.113.7", "203.0.113.8"), with_authority=True)
    world = World(dict.fromkeys(NS, addresses), {})
    (only,) = await world.verify(record=veiled)
    assert only.state is VerificationState.VERIFIED


async def test_a_crowd_that_lags_is_named_as_far_as_there_is_room():
    crowd = {
        Server(f"a-server-with-quite-a-long-name-{index}.example.com", "192.0.2.9", index): STALE for index in range(20)
    }
    (only,) = await World(crowd).verify(patience=timedelta())
    assert len(only.detail) == 512
