"""Connections that are kept, against servers that end them in every way they can."""

import asyncio
from contextlib import asynccontextmanager, suppress

import dns.message
import dns.query
import pytest

from dns_service.providers import connections as module
from dns_service.providers.connections import Connections

HOST = "127.0.0.1"


@pytest.fixture(autouse=True)
def _kept_for_as_long_as_the_machine_may_stall(monkeypatch):
    monkeypatch.setattr(module, "_KEPT", 600.0)


class Server:
    """Answers by default; a test puts in `behaviours` what each connection, in the order of coming, does instead."""

    def __init__(self, *behaviours):
        self.behaviours = behaviours
        self.port = 0
        self.connections = 0
        self.heard = []
        self.open = 0
        self.changed = asyncio.Event()

    async def converse(self, reader, writer):
        number, self.connections = self.connections, self.connections + 1
        self.open += 1
        behave = self.behaviours[number] if number < len(self.behaviours) else self.answer_all
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await behave(self, reader, writer)
        finally:
            self.open -= 1
            self.changed.set()
            writer.close()

    @staticmethod
    async def answer_all(server, reader, writer):
        while True:
            await server.answer_one(reader, writer)

    async def answer_one(self, reader, writer):
        say(writer, dns.message.make_response(await self.hear(reader)))

    async def hear(self, reader):
        length = int.from_bytes(await reader.readexactly(2))
        query = dns.message.from_wire(await reader.readexactly(length))
        self.heard.append(query.id)
        self.changed.set()
        return query

    async def until(self, condition):
        """Something on the server's side is so."""
        async with asyncio.timeout(30):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    @asynccontextmanager
    async def running(self, port=0):
        listening = await asyncio.start_server(self.converse, HOST, port)
        self.port = listening.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listening.close()


def say(writer, message):
    wire = message.to_wire()
    writer.write(len(wire).to_bytes(2) + wire)


@asynccontextmanager
async def at(server, *, limit=8, patience=30.0):
    kept = Connections(HOST, server.port, limit=limit, patience=patience)
    try:
        yield kept
    finally:
        kept.close()


def queries(*numbers):
    return [dns.message.make_query(f"name-{number}.example.com.", "A", id=number) for number in numbers]


async def ask(kept, *numbers):
    """Each query is answered, in its place."""
    asked = queries(*numbers)
    answers = await kept.exchange(asked)
    assert [answer.question for answer in answers] == [query.question for query in asked]


async def test_what_is_asked_soon_after_goes_over_the_same_connection():
    async with Server().running() as server, at(server) as kept:
        await ask(kept, 1)
        await ask(kept, 2, 3)
        assert server.heard == [1, 2, 3]
        assert server.connections == 1


async def test_answers_come_in_any_order():
    async def backwards(server, reader, writer):
        heard = [await server.hear(reader) for _ in range(3)]
        for query in reversed(heard):
            say(writer, dns.message.make_response(query))

    async with Server(backwards).running() as server, at(server) as kept:
        await ask(kept, 5, 6, 7)


async def answer_one_and_end(server, reader, writer):
    await server.answer_one(reader, writer)


async def answer_one_and_hang_up_when_asked_again(server, reader, writer):
    await server.answer_one(reader, writer)
    await server.hear(reader)
    writer.transport.abort()


async def answer_one_and_half_close(server, reader, writer):
    await server.answer_one(reader, writer)
    writer.write_eof()
    await reader.read()


async def answer_one_and_break_off_in_the_next(server, reader, writer):
    await server.answer_one(reader, writer)
    await server.hear(reader)
    writer.write(b"\0\x40half of it")


@pytest.mark.parametrize(
    "ending",
    [
        answer_one_and_end,
        answer_one_and_half_close,
        answer_one_and_hang_up_when_asked_again,
        answer_one_and_break_off_in_the_next,
    ],
)
async def test_where_the_server_has_ended_a_kept_connection_a_new_one_is_made(ending):
    async with Server(ending).running() as server, at(server) as kept:
        await ask(kept, 1)
        await ask(kept, 2)
        assert server.connections == 2
        assert server.heard[0] == 1
        assert server.heard[-1] == 2
        await ask(kept, 3)
        assert server.connections == 2


async def test_a_server_that_was_restarted_is_asked_over_new_connections():
    async with Server(answer_one_and_end, answer_one_and_end).running() as server, at(server) as kept:
        await asyncio.gather(ask(kept, 1), ask(kept, 2))
        assert server.connections == 2
    async with Server().running(server.port) as restarted:
        await ask(kept, 3)
        assert restarted.connections == 1
        kept.close()


async def test_a_new_connection_that_breaks_is_told():
    async def hang_up(server, reader, _writer):
        await server.hear(reader)

    async with Server(hang_up).running() as server, at(server) as kept:
        with pytest.raises(EOFError):
            await kept.exchange(queries(1))
        assert server.connections == 1
        await ask(kept, 2)


async def test_a_server_that_is_away_is_told():
    async with Server().running() as server:
        pass
    async with at(server) as kept:
        with pytest.raises(ConnectionRefusedError):
            await kept.exchange(queries(1))


async def test_a_server_that_falls_silent_is_told_and_not_waited_for_again(monkeypatch):
    async def fall_silent(server, reader, writer):
        await server.answer_one(reader, writer)
        await reader.read()

    async with Server(fall_silent).running() as server, at(server) as kept:
        await ask(kept, 1)
        with monkeypatch.context() as hasty, pytest.raises(TimeoutError):
            hasty.setattr(kept, "_patience", 0.05)
            await kept.exchange(queries(2))
        await server.until(lambda: server.open == 0)
        await ask(kept, 3)
        assert server.connections == 2


async def test_an_answer_that_comes_after_its_asker_left_is_nobody_elses():
    release = asyncio.Event()

    async def answer_late(server, reader, writer):
        query = await server.hear(reader)
        await release.wait()
        say(writer, dns.message.make_response(query))

    async with Server(answer_late).running() as server, at(server) as kept:
        leaving = asyncio.create_task(kept.exchange(queries(1)))
        await server.until(lambda: server.heard)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        release.set()
        await ask(kept, 1)
        assert server.connections == 2


@pytest.mark.parametrize(("number", "name"), [(99, "name-1.example.com."), (1, "name-2.example.com.")])
async def test_an_answer_that_nobody_asked_for_is_not_believed(number, name):
    async def answer_astray(server, reader, writer):
        await server.hear(reader)
        say(writer, dns.message.make_response(dns.message.make_query(name, "A", id=number)))
        await reader.read()

    async with Server(answer_astray).running() as server, at(server) as kept:
        with pytest.raises(dns.query.BadResponse):
            await kept.exchange(queries(1))


async def test_there_are_no_more_connections_than_allowed():
    most = 0

    async def count(server, reader, writer):
        nonlocal most
        most = max(most, server.open)
        await server.answer_all(server, reader, writer)

    async with Server(*[count] * 40).running() as server, at(server, limit=3) as kept:
        await asyncio.gather(*(ask(kept, number) for number in range(40)))
        assert 1 <= most <= 3
        assert server.connections <= 3


async def test_a_connection_that_nobody_needs_is_closed_before_the_server_does(monkeypatch):
    monkeypatch.setattr(module, "_KEPT", 0.05)
    async with Server().running() as server, at(server) as kept:
        await ask(kept, 1)
        await server.until(lambda: server.open == 0)
        await ask(kept, 2)
        assert server.connections == 2


async def test_closing_leaves_none_open():
    async with Server().running() as server, at(server) as kept:
        await asyncio.gather(*(ask(kept, number) for number in range(5)))
        kept.close()
        await server.until(lambda: server.open == 0)


async def test_where_acknowledging_at_once_is_unknown_it_still_works(monkeypatch):
    monkeypatch.setattr(module, "_QUICKACK", None)
    async with Server().running() as server, at(server) as kept:
        await ask(kept, 1, 2)
