import string
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from faults import Invalid, NotFound
from identity_service.credentials.model import (
    Credential,
    Handover,
    Kind,
    check_password,
    meant_by,
    new_secret,
    new_token,
)

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize("password", ["Abcde-12", "Äöü-ß12X", "Correct horse 7 battery", f"Aa1-{'x' * 124}"])
def test_a_good_password_is_taken(password):
    check_password(password)


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("Abc-123", "must have 8 to 128 characters"),
        (f"Aa1-{'x' * 125}", "must have 8 to 128 characters"),
        ("ABCDE-12", "has no lower-case letter"),
        ("abcde-12", "has no upper-case letter"),
        ("Abcdef-x", "has no digit"),
        ("Abcdef12", "has no other character"),
        ("Password1!", "is one of those that are tried first"),
        ("P@ssw0rd!2026", "is one of those that are tried first"),
    ],
)
def test_a_weak_password_is_refused_with_the_rule(password, rule):
    with pytest.raises(Invalid) as caught:
        check_password(password)
    assert (caught.value.reason, caught.value.facts) == ("PASSWORD_TOO_WEAK", {"rule": rule})
    assert password not in str(caught.value)


def test_a_generated_secret_is_long_strong_and_never_the_same():
    secrets = {new_secret() for _ in range(1000)}
    assert len(secrets) == 1000
    for one in secrets:
        check_password(one)
        assert len(one) >= 24
        assert set(one) <= set(string.ascii_letters + string.digits + "-_.")


def test_a_token_tells_its_credential_and_no_other_text_does():
    credential = Credential(uuid4(), uuid4(), Kind.PASSWORD, "request:1", NOW, NOW)
    token = new_token(credential)
    assert meant_by(token) == (credential.tenant_id, credential.credential_id)
    assert token != new_token(credential)
    for text in ("", "x", "x" * 43, token[:-1], f"{token}AA", token.replace(token[0], "."), "ä" * 86):
        with pytest.raises(NotFound) as caught:
            meant_by(text)
        assert caught.value.reason == "CLAIM_NOT_FOUND"


def test_who_shows_a_hand_over_shows_no_secret():
    assert "hunter2" not in repr(Handover("hunter2", Kind.PASSWORD, "ada@acme.example", ""))
