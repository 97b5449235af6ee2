from datetime import UTC, datetime

from identity_service.model import Owner
from identity_service.providers.keycloak import stamps

NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
OWNER = Owner("0192f5a0-0000-7000-8000-000000000001", "provision-acme", NOW)


def test_a_stamp_is_read_as_it_was_written():
    written = stamps.stamp(OWNER, NOW)
    assert (stamps.owner_of(written), stamps.updated(written)) == (OWNER, NOW)
    assert stamps.flat({"attributes": stamps.listed(written)}) == written


def test_what_bears_none_is_nobodys():
    for attributes in ({}, {"tenantId": "acme"}, {stamps.TENANT: "acme"}, {"tenantmesh.create_time": NOW.isoformat()}):
        assert stamps.owner_of(attributes) is None
    assert stamps.flat({}) == {}
    assert stamps.stamp(None, None) == {}


def test_a_time_that_is_none_is_no_stamp():
    assert stamps.owner_of({**stamps.stamp(OWNER, NOW), "tenantmesh.create_time": "yesterday"}) is None
