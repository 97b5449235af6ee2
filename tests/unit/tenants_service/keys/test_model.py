"""Keys that are handed out once."""

import re

from tenants_service.keys.model import digest_of, new_key, opens


def test_a_key_has_256_bits_that_fit_into_a_link():
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", key) for key in keys)


def test_what_is_kept_is_not_the_key_and_knows_it():
    key = new_key()
    digest = digest_of(key)
    assert key.encode() not in digest
    assert opens(key, digest)
    for other in (new_key(), key[:-1], f"{key} ", "", "\U0001f600"):
        assert not opens(other, digest)
