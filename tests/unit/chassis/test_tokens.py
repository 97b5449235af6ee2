import base64
import json
import time
from datetime import timedelta

import jwt
import pytest
from tests.fixtures.identities import Issuer

from chassis import tokens as module
from chassis.keys import FileKeys, UrlKeys
from chassis.settings import AuthSettings
from chassis.tokens import tokens_of
from faults import Unauthenticated


@pytest.fixture(params=["ES256", "RS256", "EdDSA"])
def algorithm(request):
    return request.param


@pytest.fixture
def issuer():
    return Issuer()


def settings_for(issuer, path, **more):
    path.write_bytes(issuer.jwks())
    return AuthSettings(
        **{"jwks": str(path), "issuer": Issuer.issuer, "audience": Issuer.audience, "leeway": timedelta(0), **more}
    )


@pytest.fixture
def tokens(issuer, tmp_path):
    return tokens_of(settings_for(issuer, tmp_path / "jwks.json"))


async def refusal(tokens, token, method):
    with pytest.raises(Unauthenticated) as caught:
        await tokens.verified(f"Bearer {token}", method)
    assert caught.value.facts == {"method": method.path}
    assert caught.value.domain == "tenantmesh"
    return caught.value.reason


async def test_a_good_token_is_a_principal(algorithm, tmp_path, method):
    issuer = Issuer(algorithm)
    tokens = tokens_of(settings_for(issuer, tmp_path / "jwks.json"))
    principal = await tokens.verified(f"Bearer {issuer.token(sub='alice', scope='openid dns.*')}", method)
    assert (principal.name, principal.tenant_id) == ("alice", "")
    assert "dns.records.read" in principal.permissions
    assert "storage.buckets.read" not in principal.permissions


async def test_the_claims_say_what_it_may_and_for_whom(tokens, issuer, method):
    token = issuer.token(permissions=["dns.records.read", 7, "NOT ONE"], scope="storage.*", tenant_id="t-1")
    principal = await tokens.verified(f"Bearer {token}", method)
    assert "dns.records.read" in principal.permissions
    assert "storage.buckets.read" in principal.permissions
    assert "dns.records.write" not in principal.permissions
    assert principal.tenant_id == "t-1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://somebody.else"},
        {"aud": "somebody-else"},
        {"sub": ""},
        {"tenant_id": ""},
        {"tenant_id": None},
        {"tenant_id": 7},
        {"scope": ["dns.*"]},
        {"permissions": "dns.*"},
        {"nbf": 4_000_000_000},
        {"exp": "tomorrow"},
    ],
)
async def test_one_that_says_something_wrong_is_not_believed(tokens, issuer, method, wrong):
    assert await refusal(tokens, issuer.token(**wrong), method) == "TOKEN_INVALID"


@pytest.mark.parametrize("claim", ["exp", "iss", "aud", "sub"])
async def test_nor_is_one_that_leaves_something_out(tokens, issuer, method, claim):
    assert await refusal(tokens, issuer.token(without=(claim,)), method) == "TOKEN_INVALID"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "..", "é", "x" * 4000, "eyJhbGciOiJub25lIn0.e30."])
async def test_what_is_no_token_is_not_believed(tokens, method, token):
    assert await refusal(tokens, token, method) == "TOKEN_INVALID"


async def test_nor_is_one_that_is_nested_too_deep(tokens, method):
    head = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 5000).rstrip(b"=").decode()
    assert await refusal(tokens, f"{head}.e30.x", method) == "TOKEN_INVALID"


async def test_an_old_one_has_expired_and_the_leeway_counts(issuer, tmp_path, method):
    old = issuer.token(exp=int(time.time()) - 5)
    assert await refusal(tokens_of(settings_for(issuer, tmp_path / "a")), old, method) == "TOKEN_EXPIRED"
    patient = tokens_of(settings_for(issuer, tmp_path / "b", leeway=timedelta(seconds=30)))
    assert (await patient.verified(f"Bearer {old}", method)).name == "somebody"


async def test_a_forged_one_is_not_believed(tokens, issuer, method):
    forger = Issuer()
    assert await refusal(tokens, forger.token(), method) == "TOKEN_INVALID"
    forger._keys[issuer._current] = forger._keys.pop(forger._current)
    forger._current = issuer._current  # the right name, the wrong key
    assert await refusal(tokens, forger.token(), method) == "TOKEN_INVALID"
    head, body, signature = issuer.token(sub="alice").split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "root"}).encode()).rstrip(b"=").decode()
    assert await refusal(tokens, f"{head}.{changed}.{signature}", method) == "TOKEN_INVALID"


async def test_one_without_a_signature_is_not_believed(tokens, issuer, method):
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    token = jwt.encode(claims, None, "none", headers={"kid": issuer._current})
    assert await refusal(tokens, token, method) == "TOKEN_INVALID"


async def test_nor_one_that_is_signed_with_what_everybody_knows(tokens, issuer, method):
    """The classic: the public key, taken for the secret of an HMAC."""
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    token = jwt.encode(claims, "x" * 64, "HS256", headers={"kid": issuer._current})
    assert await refusal(tokens, token, method) == "TOKEN_INVALID"


async def test_an_algorithm_the_settings_leave_out_is_not_believed(tmp_path, issuer, method):
    tokens = tokens_of(settings_for(issuer, tmp_path / "jwks.json", algorithms=("RS256",)))
    assert await refusal(tokens, issuer.token(), method) == "TOKEN_INVALID"


async def test_a_verified_one_is_known_until_it_ends(tokens, issuer, method, monkeypatch):
    credentials = f"Bearer {issuer.token()}"
    assert tokens.known(credentials) is None
    principal = await tokens.verified(credentials, method)
    assert tokens.known(credentials) is principal
    later = time.monotonic() + 61
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert tokens.known(credentials) is None


async def test_it_is_looked_at_again_before_that_if_it_lives_long(tokens, issuer, method, monkeypatch):
    credentials = f"Bearer {issuer.token(exp=int(time.time()) + 86_400)}"
    await tokens.verified(credentials, method)
    later = time.monotonic() + 301
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert tokens.known(credentials) is None


async def test_memory_is_bounded_and_the_oldest_goes_first(tokens, issuer, method, monkeypatch):
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    all_of_them = [f"Bearer {issuer.token(sub=f's{number}')}" for number in range(4)]
    for credentials in all_of_them:
        await tokens.verified(credentials, method)
    assert [tokens.known(credentials) is not None for credentials in all_of_them] == [False, True, True, True]
    await tokens.verified(all_of_them[1], method)
    await tokens.verified(all_of_them[0], method)
    assert tokens.known(all_of_them[1]) is not None


def test_keys_come_from_where_the_settings_say(issuer, tmp_path):
    settings = settings_for(issuer, tmp_path / "jwks.json")
    assert isinstance(tokens_of(settings)._keys, FileKeys)
    assert isinstance(tokens_of(settings_for(issuer, tmp_path / "x", jwks="https://i.example/jwks"))._keys, UrlKeys)
