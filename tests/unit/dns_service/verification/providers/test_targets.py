import asyncio
import gc

import pytest

from dns_service.verification.model import Server
from dns_service.verification.providers.targets import LiveTargets

SERVERS = [Server.parse(f"198.51.100.{index}") for index in (1, 2, 3)]


KNOWS, DENIES, MUTE, NEVER = True, False, None, "never"


class Hosts:
    """What each server says, in order."""

    def __init__(self, *answers):
        self.answers = dict(zip(SERVERS, answers, strict=False))
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


async def test_those_who_come_together_share_a_question():
    hosts = Hosts(KNOWS)
    targets = LiveTargets(hosts, SERVERS[:1], quorum=1)
    await asyncio.gather(*(targets.missing(["edge.example.net"]) for _ in range(50)))
    # The first asks for itself; all others had come before the second asked.
    assert hosts.asked == 2


@pytest.mark.parametrize("before", [KNOWS, DENIES])
async def test_nobody_is_told_what_was_asked_before(before):
    hosts = Hosts(before)
    targets = LiveTargets(hosts, SERVERS[:1], quorum=1)
    assert bool(await targets.missing(["edge.example.net"])) is not before
    hosts.answers[SERVERS[0]] = not before
    assert bool(await targets.missing(["edge.example.net"])) is before


async def test_nothing_is_kept_of_hosts_that_nobody_asks_for():
    targets = LiveTargets(Hosts(KNOWS), SERVERS[:1], quorum=1)
    await targets.missing([f"{index}.example.net" for index in range(100)])
    gc.collect()
    assert len(targets._questions) == 0
