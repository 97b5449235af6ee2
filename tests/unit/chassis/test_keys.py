import asyncio
import json
import time

import pytest
from jwt import PyJWK
from tests.fixtures.identities import Issuer

from chassis import keys
from chassis.keys import FileKeys, UrlKeys, parse
from faults import Unavailable


class Web:
    """An address that serves the issuer's keys, or nothing."""

    def __init__(self, issuer):
        self.issuer, self.requests, self.document, self.hold = issuer, 0, None, None

    async def handle(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        if self.hold:
            await self.hold.wait()
        body = self.document if self.document is not None else self.issuer.jwks()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()


@pytest.fixture
async def web():
    made = Web(Issuer())
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
    yield made
    server.close()


@pytest.fixture
def patience(monkeypatch):
    """Does away with the pause between two fetches."""
    monkeypatch.setattr(keys, "_PAUSE", 0)


async def test_a_key_is_fetched_when_it_is_first_needed(web):
    found = UrlKeys(web.url)
    assert web.requests == 0
    assert isinstance(await found.find(web.issuer._current), PyJWK)
    await found.find(web.issuer._current)
    assert web.requests == 1


async def test_many_who_need_it_at_once_share_one_fetch(web):
    found = UrlKeys(web.url)
    assert all(await asyncio.gather(*(found.find(web.issuer._current) for _ in range(50))))
    assert web.requests == 1


async def test_one_who_gives_up_does_not_end_it_for_the_others(web):
    web.hold = asyncio.Event()
    found = UrlKeys(web.url)
    impatient = asyncio.create_task(found.find(web.issuer._current))
    patient = asyncio.create_task(found.find(web.issuer._current))
    await asyncio.sleep(0.05)
    impatient.cancel()
    web.hold.set()
    assert await patient
    assert impatient.cancelled()


@pytest.mark.usefixtures("patience")
async def test_a_new_key_is_fetched_when_a_token_names_it(web):
    found = UrlKeys(web.url)
    old = web.issuer._current
    await found.find(old)
    web.issuer.rotate()
    assert await found.find(web.issuer._current)
    assert await found.find(old)
    assert web.requests == 2


async def test_made_up_keys_fetch_nothing_more(web):
    found = UrlKeys(web.url)
    await found.find(web.issuer._current)
    for number in range(100):
        assert await found.find(f"made-up-{number}") is None
    assert web.requests == 1


async def test_a_withdrawn_key_goes_without_anybody_asking_for_another(web, monkeypatch):
    found = UrlKeys(web.url)
    old = web.issuer._current
    await found.find(old)
    web.issuer.rotate(forget=True)
    monkeypatch.setattr(keys, "_FRESH", 0)
    monkeypatch.setattr(keys, "_PAUSE", 0)
    assert await found.find(old)  # which does not wait
    await found._fetching
    assert old not in found._keys


@pytest.mark.usefixtures("patience")
async def test_an_issuer_that_is_away_leaves_the_keys_there_are(web, caplog):
    found = UrlKeys(web.url)
    await found.find(web.issuer._current)
    web.document = b"<html>maintenance</html>"
    assert await found.find("another") is None
    assert await found.find(web.issuer._current)
    assert "cannot be fetched" in caplog.text


async def test_without_any_keys_nobody_is_called_a_forger():
    with pytest.raises(Unavailable) as caught:
        await UrlKeys("http://127.0.0.1:9/jwks").find("key")
    assert (caught.value.reason, caught.value.facts) == ("DEPENDENCY_UNAVAILABLE", {"dependency": "token keys"})


async def test_keys_in_a_file_follow_it(tmp_path, monkeypatch):
    issuer, path = Issuer(), tmp_path / "jwks.json"
    path.write_bytes(issuer.jwks())
    found = FileKeys(path)
    monkeypatch.setattr(found._keys, "_pause", 0)
    assert await found.find(issuer._current)
    issuer.rotate()
    path.write_bytes(issuer.jwks())
    assert await found.find(issuer._current)
    assert await found.find("another") is None


async def test_a_token_that_names_no_key_means_the_only_one(tmp_path):
    issuer = Issuer()
    (tmp_path / "jwks.json").write_bytes(issuer.jwks())
    assert await FileKeys(tmp_path / "jwks.json").find(None)
    issuer.rotate()
    (tmp_path / "two.json").write_bytes(issuer.jwks())
    assert await FileKeys(tmp_path / "two.json").find(None) is None


def test_keys_for_other_uses_are_left_out():
    document = json.loads(Issuer().jwks())
    document["keys"].append({**document["keys"][0], "kid": "encryption", "use": "enc"})
    assert "encryption" not in parse(json.dumps(document).encode())


@pytest.mark.parametrize(
    "document", [b"", b"[]", b'{"keys": []}', b'{"keys": 7}', b'{"keys": [7]}', b'{"keys": [{"kty": "new"}]}', b"\xff"]
)
def test_a_document_without_keys_is_refused(document):
    with pytest.raises(ValueError, match=r".+"):
        parse(document)


async def test_looking_up_a_known_key_takes_no_time(web):
    found = UrlKeys(web.url)
    await found.find(web.issuer._current)
    began = time.perf_counter()
    for _ in range(1000):
        await found.find(web.issuer._current)
    assert time.perf_counter() - began < 0.5
