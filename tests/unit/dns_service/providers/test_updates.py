from datetime import UTC, datetime, timedelta

import dns.rdatatype
import dns.rrset
import dns.tsig
import pytest

from dns_service.model import Owner, Record, RecordData, RecordKey, RecordType
from dns_service.providers import updates
from dns_service.providers.updates import Reading

KEY = dns.tsig.Key("tenantmesh", b"secret", "hmac-sha256")
STAMP = "_tenantmesh.acme.example.com."
NAME = "acme.example.com."


def record(kind=RecordType.A, values=("192.0.2.1",), name="acme.example.com"):
    owner = Owner("0192f0c1-2b3c-7d4e-8f50-112233445566", "provision-acme", datetime(2026, 1, 1, tzinfo=UTC))
    return Record(RecordKey(name, kind), RecordData(values, timedelta(seconds=60)), owner, "rfc2136", "example.com")


def told(section):
    """Name, class, type and values of each line; class ANY and NONE say what must be, must not be, or goes."""
    return sorted(
        f"{one.name} {dns.rdataclass.to_text(one.deleting or one.rdclass)} {dns.rdatatype.to_text(one.rdtype)}"
        + "".join(f" {rdata}" for rdata in one)
        for one in section
    )


def held(name, kind, *values):
    return dns.rrset.from_text(name, 60, "IN", kind, *values).to_rdataset()


def test_where_nothing_was_read_nothing_may_stand_and_nothing_is_taken_away():
    update = updates.to(record(), ("192.0.2.1",), ("mine",), Reading(), KEY)
    assert told(update.prerequisite) == [
        f"{STAMP} NONE TXT", f"{NAME} NONE A", f"{NAME} NONE CNAME", f"{NAME} NONE NS",
    ]  # fmt: skip
    assert told(update.update) == [f'{STAMP} IN TXT "mine"', f"{NAME} IN A 192.0.2.1"]


def test_what_was_read_must_still_stand_and_is_replaced():
    was = Reading({RecordType.A: held(NAME, "A", "192.0.2.9")}, held(STAMP, "TXT", '"old"'))
    update = updates.to(record(), ("192.0.2.1",), ("new",), was, KEY)
    assert {f'{STAMP} IN TXT "old"', f"{NAME} IN A 192.0.2.9"} < set(told(update.prerequisite))
    assert told(update.update) == [
        f"{STAMP} ANY TXT", f'{STAMP} IN TXT "new"', f"{NAME} ANY A", f"{NAME} IN A 192.0.2.1",
    ]  # fmt: skip


def test_what_is_removed_goes_with_its_stamp():
    was = Reading({RecordType.A: held(NAME, "A", "192.0.2.9")}, held(STAMP, "TXT", '"old"'))
    update = updates.to(record(), (), (), was, KEY)
    assert told(update.update) == [f"{STAMP} ANY TXT", f"{NAME} ANY A"]


def test_an_alias_wants_its_name_for_itself():
    update = updates.to(record(RecordType.CNAME), ("edge.example.net",), ("mine",), Reading(), KEY)
    assert f"{NAME} NONE ANY" in told(update.prerequisite)
    assert f"{NAME} IN CNAME edge.example.net." in told(update.update)


@pytest.mark.parametrize(
    ("name", "places"), [("example.com", []), ("a.b.example.com", ["a.b.example.com.", "b.example.com."])]
)
def test_no_delegation_may_stand_between_a_name_and_its_zone(name, places):
    update = updates.to(record(name=name), ("192.0.2.1",), ("mine",), Reading(), KEY)
    delegations = [line for line in told(update.prerequisite) if line.endswith(" NS")]
    assert delegations == [f"{place} NONE NS" for place in places]


def test_an_update_of_nothing_changes_nothing():
    update = updates.of_nothing("example.com", KEY)
    assert not update.prerequisite
    assert not update.update
