import pytest

from faults import Internal
from postgreskit.seal import Seal

OLD, NEW = "the first secret, which is long", "the second secret, long as well"


def test_what_is_sealed_is_opened_and_not_read():
    sealed = Seal([OLD], label="notes").close(b"a token")
    assert b"a token" not in sealed
    assert Seal([OLD], label="notes").open(sealed) == b"a token"


def test_a_secret_can_be_changed():
    sealed = Seal([OLD], label="notes").close(b"a token")
    assert Seal([NEW, OLD], label="notes").open(sealed) == b"a token"
    with pytest.raises(Internal):
        Seal([NEW], label="notes").open(sealed)


def test_what_was_changed_is_not_opened():
    sealed = bytearray(Seal([OLD], label="notes").close(b"a token"))
    sealed[40] ^= 1
    with pytest.raises(Internal):
        Seal([OLD], label="notes").open(bytes(sealed))


def test_what_one_service_sealed_no_other_one_opens():
    with pytest.raises(Internal):
        Seal([OLD], label="letters").open(Seal([OLD], label="notes").close(b"a token"))
