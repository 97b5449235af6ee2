import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.schemas.model import Tenant, Tier
from storage_service.schemas.tokens import digest_of, new_password, new_token, tenant_of

ACME = Tenant("01939e4e-0000-7000-8000-000000000001", "acme", Tier.SILO)


def test_a_token_says_whose_it_is_and_no_two_are_the_same():
    first, second = new_token(ACME), new_token(ACME)
    assert tenant_of(first) == tenant_of(second) == ACME
    assert first != second
    assert digest_of(first) != digest_of(second)
    assert len(first) <= 512


@pytest.mark.parametrize("text", ["", "x", "x" * 43, ".", "bm90IGpzb24.x", "W10.x", "WzEsMiwzXQ.x", "ü.x"])
def test_what_is_no_token(text):
    assert tenant_of(text) is None


@pytest.mark.parametrize(
    "whose",
    [["x", "acme", "silo"], ["x\0", "acme", "pooled"], [None, "acme", "silo"], [{}, "acme", "silo"],
     [ACME.tenant_id, None, "silo"], [ACME.tenant_id, "acme", "gold"], [ACME.tenant_id, '"; drop', "silo"]],
)  # fmt: skip
def test_a_forged_token_is_none(whose):
    assert tenant_of(f"{base64.urlsafe_b64encode(json.dumps(whose).encode()).decode()}.secret") is None


@given(st.text())
def test_no_text_breaks_it(text):
    assert tenant_of(text) is None or isinstance(tenant_of(text), Tenant)


def test_passwords_cannot_be_guessed():
    assert len({new_password() for _ in range(100)}) == 100
    assert len(new_password()) >= 43
