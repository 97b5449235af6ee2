from uuid import uuid4

import pytest

from faults import Invalid
from notifications_service.model import NOBODY
from notifications_service.suppressions.tokens import UnsubscribeTokens

TENANT = uuid4()
TOKENS = UnsubscribeTokens(["a secret"])


@pytest.mark.parametrize("email", ["a@b", "ada@engines.example", "jörg@üni.example", f"{'x' * 64}@{'y' * 185}.ex"])
@pytest.mark.parametrize("tenant", [TENANT, NOBODY])
def test_a_token_stands_for_its_address_and_tenant(email, tenant):
    token = TOKENS.make(tenant, email)
    assert TOKENS.read(token) == (tenant, email)
    assert 43 <= len(token) <= 512
    assert email not in token


def test_a_token_is_the_same_each_time():
    assert TOKENS.make(TENANT, "a@b.example") == TOKENS.make(TENANT, "a@b.example")
    assert TOKENS.make(TENANT, "a@b.example") != TOKENS.make(NOBODY, "a@b.example")


def test_what_we_did_not_make_is_refused():
    good = TOKENS.make(TENANT, "ada@engines.example")
    other = UnsubscribeTokens(["another secret"]).make(TENANT, "ada@engines.example")
    changed = ("B" if good[0] == "A" else "A") + good[1:]
    for token in ("", "x" * 43, "not base64!", good[:-4], changed, other):
        with pytest.raises(Invalid) as refused:
            TOKENS.read(token)
        assert refused.value.reason == "UNSUBSCRIBE_TOKEN_INVALID"


def test_a_secret_can_change():
    old = TOKENS.make(TENANT, "ada@engines.example")
    assert UnsubscribeTokens(["new", "a secret"]).read(old) == (TENANT, "ada@engines.example")
