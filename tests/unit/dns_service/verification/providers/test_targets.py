import asyncio

from dns_service.verification.model import Server
from dns_service.verification.providers import targets as module
from dns_service.verification.providers.targets import LiveTargets

SERVERS = [Server.parse(f"198.51.100.{index}") for index in (1, 2, 3)]


KNOWS, DENIES, MUTE, NEVER = True, False, None, "never"


class Hosts:
    """What each server says, in order."""

    def __init__(self, *answers):
        self.answers = dict(zip(SERVERS, answers, strict=DENIES))
        self.asked = 0

    async def exists(self, server, host):
        assert host.endswith("example.net")
        self.asked += 1
        answer = self.answers[server]
        if answer == NEVER:
            await asyncio.Event().wait()
        return answer


async def missing(*answers, quorum=2, hosts=("edge.example.net",)):
    return await LiveTargets(Hosts(*answers), SERVERS[: len(answers)], quorum=quorum).missing(hosts)


async def test_a_host_is_missing_when_enough_say_so_and_none_knows_it():
    assert await missing(DENIES, DENIES, MUTE) == {"edge.example.net"}
    assert await missing(DENIES, DENIES, KNOWS) == set()
    assert await missing(DENIES, MUTE, MUTE) == set()
    assert await missing(MUTE, MUTE, MUTE) == set()
    assert await missing(DENIES, quorum=1) == {"edge.example.net"}
    assert await missing() == set()
    assert await missing(DENIES, DENIES, hosts=()) == set()


async def test_the_first_that_knows_a_host_ends_the_asking():
    async with asyncio.timeout(5):
        assert await missing(NEVER, KNOWS, NEVER) == set()


async def test_a_host_that_exists_is_not_asked_for_again_soon(monkeypatch):
    hosts = Hosts(KNOWS)
    targets = LiveTargets(hosts, SERVERS[:1], quorum=1)
    await targets.missing(["edge.example.net"])
    await targets.missing(["edge.example.net"])
    assert hosts.asked == 1
    later = module.monotonic() + 61
    monkeypatch.setattr(module, "monotonic", lambda: later)
    await targets.missing(["edge.example.net"])
    assert hosts.asked == 2


async def test_a_host_that_is_missing_is_asked_for_each_time():
    hosts = Hosts(DENIES)
    targets = LiveTargets(hosts, SERVERS[:1], quorum=1)
    assert await targets.missing(["edge.example.net"])
    hosts.answers[SERVERS[0]] = KNOWS
    assert not await targets.missing(["edge.example.net"])


async def test_what_is_remembered_is_bounded():
    targets = LiveTargets(Hosts(KNOWS), SERVERS[:1], quorum=1)
    await targets.missing([f"{index}.example.net" for index in range(1500)])
    assert len(targets._known) <= 1024
