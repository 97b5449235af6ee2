import asyncio
import json

import pytest

from chassis import OpsSettings, StartFailed, ops
from chassis.health import Health
from chassis.ops import Page, ops_server


class Away:
    name = "postgres"


async def ask(address, text, *, until_end=True):
    reader, writer = await asyncio.open_connection(*address.split(":"))
    writer.write(text.encode())
    try:
        return (await asyncio.wait_for(reader.read() if until_end else reader.readline(), 5)).decode()
    finally:
        writer.close()


def get(address, target, method="GET"):
    return ask(address, f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n")


@pytest.fixture
def health():
    return Health([])


@pytest.fixture
async def address(health):
    async with ops_server(OpsSettings(), health, lambda: Page(b"up 1\n", "text/plain")) as made:
        yield made


async def test_a_process_that_lives_says_so(address):
    head, body = (await get(address, "/health")).split("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 19\r\n")
    assert json.loads(body) == {"status": "alive"}


async def test_ready_follows_the_dependencies(address, health):
    assert (await get(address, "/ready")).startswith("HTTP/1.1 503 ")
    await health.open()
    answer = await get(address, "/ready")
    assert answer.startswith("HTTP/1.1 200 ")
    assert json.loads(answer.split("\r\n\r\n")[1]) == {"status": "ready", "dependencies": {}}


async def test_each_dependency_is_named_with_its_state():
    health = Health([Away()])
    await health.open()
    async with ops_server(OpsSettings(), health, lambda: Page(b"")) as address:
        answer = await get(address, "/ready")
    assert answer.startswith("HTTP/1.1 503 Service Unavailable")
    document = json.loads(answer.split("\r\n\r\n")[1])
    assert document["status"] == "not ready"
    assert document["dependencies"]["postgres"]["status"] == "unusable"
    assert document["dependencies"]["postgres"]["error"] == "not checked yet"
    assert document["dependencies"]["postgres"]["since"].endswith("+00:00")


async def test_the_numbers_are_whoever_s_they_are(address):
    assert (await get(address, "/metrics?name=up")).endswith("\r\n\r\nup 1\n")


async def test_head_is_the_answer_without_its_body(address):
    answer = await get(address, "/metrics", "HEAD")
    assert "Content-Length: 5\r\n" in answer
    assert answer.endswith("\r\n\r\n")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("GET /nothing HTTP/1.1\r\n\r\n", 404),
        ("GET /health/ HTTP/1.0\r\n\r\n", 404),
        ("POST /health HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 405),
        ("PRI * HTTP/2.0\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
        ("\r\n\r\n", 400),
        ("GET  /health HTTP/1.1\r\n\r\n", 400),
        ("\xff\xfe\x00 \x01 \x02\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\n" + "X: y\r\n" * 5000 + "\r\n", 431),
    ],
)
async def test_what_is_not_asked_well_is_told_so(address, text, status):
    try:
        answer = await ask(address, text)
    except ConnectionResetError:  # it was cut off while it still sent
        assert status == 431
    else:
        assert answer.startswith(f"HTTP/1.1 {status} ")


async def test_a_page_that_breaks_is_an_error_and_no_end(health, caplog):
    def broken():
        raise ZeroDivisionError

    async with ops_server(OpsSettings(), health, broken) as address:
        answer = await get(address, "/metrics")
        assert answer.startswith("HTTP/1.1 500 ")
        assert "ZeroDivisionError" not in answer
        assert (await get(address, "/health")).startswith("HTTP/1.1 200 ")
    assert "ZeroDivisionError" in caplog.text


async def test_who_says_nothing_is_left(address, monkeypatch):
    monkeypatch.setattr(ops, "_SECONDS", 0.05)
    assert await ask(address, "GET /health") == ""


async def test_who_leaves_early_is_no_error(address):
    _, writer = await asyncio.open_connection(*address.split(":"))
    writer.write(b"GET /he")
    writer.close()
    assert "alive" in await get(address, "/health")


async def test_too_many_at_once_are_turned_away(address, monkeypatch):
    monkeypatch.setattr(ops, "_CONNECTIONS", 2)
    waiting = [await asyncio.open_connection(*address.split(":")) for _ in range(2)]
    await asyncio.sleep(0.05)
    with pytest.raises((ConnectionError, AssertionError)):
        assert "alive" in await get(address, "/health")
    for _, writer in waiting:
        writer.close()


async def test_the_end_waits_for_nobody(health):
    async with ops_server(OpsSettings(), health, lambda: Page(b"")) as address:
        reader, writer = await asyncio.open_connection(*address.split(":"))
        await asyncio.sleep(0.02)
    assert await asyncio.wait_for(reader.read(), 1) == b""
    writer.close()


async def test_a_port_that_is_taken_is_named(address, health):
    settings = OpsSettings(port=int(address.split(":")[1]))
    with pytest.raises(StartFailed, match=f"OPS_PORT: cannot listen on {address}"):
        async with ops_server(settings, health, lambda: Page(b"")):
            pytest.fail("started")
