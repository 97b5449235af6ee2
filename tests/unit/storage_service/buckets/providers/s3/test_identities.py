"""Policies say what a tenant's credentials may do, and no more."""

import pytest

from storage_service.buckets.model import Place
from storage_service.buckets.providers.s3.identities import policy_for
from storage_service.credentials.model import Access

OWN, PREFIX = Place("acme-a"), Place("shared", "tenant-a/")


def statements(place, access, **how):
    return policy_for(place, access, **({"federates": False} | how))["Statement"]


@pytest.mark.parametrize("place", [OWN, PREFIX])
def test_everything_that_is_allowed_is_inside_the_place(place):
    listing, objects = statements(place, Access.READ_WRITE)
    assert listing["Resource"] == f"arn:aws:s3:::{place.bucket}"
    assert objects["Resource"] == f"arn:aws:s3:::{place.bucket}/{place.prefix}*"
    assert ("Condition" in listing) is place.shared
    assert {one["Effect"] for one in (listing, objects)} == {"Allow"}


def test_a_prefix_ends_where_the_next_tenants_begins():
    listing, objects = statements(PREFIX, Access.READ_ONLY)
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["tenant-a/*"]}}
    assert not any(action.startswith(("s3:Put", "s3:Delete", "s3:Abort")) for action in objects["Action"])


def test_no_action_reaches_settings_of_the_bucket():
    for access in Access:
        actions = {action for one in statements(OWN, access, federates=True) for action in one["Action"]}
        assert not any("Bucket" in action and not action.startswith("s3:ListBucket") for action in actions)
        assert not any("*" in action for action in actions)
