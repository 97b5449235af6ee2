import pytest

from chassis.permissions import Permissions, grants, is_pattern


@pytest.mark.parametrize(
    ("pattern", "permission", "granted"),
    [
        ("dns.records.read", "dns.records.read", True),
        ("dns.records.read", "dns.records.write", False),
        ("dns.records", "dns.records.read", False),
        ("dns.*", "dns.records.read", True),
        ("dns.*", "dns", False),
        ("dns.*", "storage.buckets.read", False),
        ("dns.*.read", "dns.records.read", True),
        ("dns.*.read", "dns.records.write", False),
        ("dns.*.read", "dns.records.of.read", False),
        ("*.records.read", "dns.records.read", True),
        ("dns.*.*", "dns.records.read", True),
        ("dns.*.*", "dns.records", False),
        ("*", "dns.records.read", True),
        ("dns.records.read", "dns.records.readonly", False),
        ("dns.rec.*", "dns.records.read", False),
    ],
)
def test_a_pattern_grants_what_it_covers(pattern, permission, granted):
    assert grants(pattern, permission) is granted
    holder = Permissions([pattern])
    assert (permission in holder) is granted
    assert (permission in holder) is granted  # from memory


def test_nothing_granted_is_nothing():
    assert "dns.records.read" not in Permissions(())
    assert repr(Permissions(["b", "a"])) == "Permissions(['a', 'b'])"


@pytest.mark.parametrize(
    "text", ["dns.records.read", "dns.*", "*", "dns.*.read", "chassis.introspection.read", "openid"]
)
def test_what_a_pattern_looks_like(text):
    assert is_pattern(text)


@pytest.mark.parametrize("text", ["", ".", "dns.", "dns..read", "dns.re*", "DNS.records", "dns records", "**"])
def test_what_none_looks_like(text):
    assert not is_pattern(text)
