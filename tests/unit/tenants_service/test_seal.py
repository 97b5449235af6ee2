import pytest

from faults import Internal
from tenants_service.seal import Seal

OLD, NEW = "the first secret, which is long", "the second secret, long as well"


def test_what_is_sealed_is_opened_and_not_read():
    sealed = Seal([OLD]).close(b"a token")
    assert b"a token" not in sealed
    assert Seal([OLD]).open(sealed) == b"a token"


def test_a_secret_can_be_changed():
    sealed = Seal([OLD]).close(b"a token")
    assert Seal([NEW, OLD]).open(sealed) == b"a token"
    with pytest.raises(Internal):
        Seal([NEW]).open(sealed)


def test_what_was_changed_is_not_opened():
    sealed = bytearray(Seal([OLD]).close(b"a token"))
    sealed[40] ^= 1
    with pytest.raises(Internal):
        Seal([OLD]).open(bytes(sealed))
