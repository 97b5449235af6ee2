"""What the mesh writes into a store reads back as it was."""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.buckets.model import BucketSettings, Lifecycle, Place, Record, Stamp, Tier
from storage_service.buckets.providers.s3 import documents
from storage_service.credentials.model import Access, Claim, Credentials, Owner
from storage_service.objects.model import Quota, Usage

TIME = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
OWNER = Owner("0192f0c1-2b3c-7d4e-8f50-112233445566", "provision-acme", TIME)
SETTINGS = BucketSettings(versioning=False, kms_key_id="k", lifecycle=Lifecycle(timedelta(days=30), timedelta(days=7)))
CREDENTIALS = Credentials(
    "acme.x", Access.READ_ONLY, OWNER, timedelta(minutes=15), "acme.y", keeps_previous=True,
    claim=Claim("digest", TIME), claim_time=TIME, access_key_id="AK", expire_time=TIME,
)  # fmt: skip
RECORD = Record(
    Place("shared", "tenant-acme/"), "acme", Tier.POOLED, OWNER, SETTINGS, domains=("a.example",),
    folders=("documents/",), complete=True, access_enabled=False, quota=Quota(1, 2), usage=Usage(1, 2, 3, 4, TIME),
    credentials=(CREDENTIALS, Credentials("acme.z", Access.READ_WRITE, OWNER)), create_time=TIME, update_time=TIME,
)  # fmt: skip


def test_a_record_reads_back_as_it_was_written():
    assert documents.from_text(documents.to_text(RECORD)) == RECORD
    assert all(getattr(RECORD, one.name) is not None for one in fields(Record)), "nothing is left out of the test"


def test_a_record_of_another_version_is_read():
    written = json.loads(documents.to_text(RECORD))
    written["colour"] = "of a later version"
    written["credentials"][0]["shape"] = "the same"
    del written["quota"]
    read = documents.from_text(json.dumps(written).encode())
    assert (read.quota, read.credentials) == (Quota(), RECORD.credentials)


def test_a_stamp_reads_back_and_other_tags_are_no_stamp():
    stamp = Stamp("acme", Tier.SILO, OWNER)
    tags = documents.to_tags(stamp)
    assert documents.from_tags([*tags, {"Key": "team", "Value": "x"}]) == stamp
    for missing in range(len(tags)):
        assert documents.from_tags(tags[:missing] + tags[missing + 1 :]) is None
    assert documents.from_tags([tag | {"Value": "nonsense"} for tag in tags]) is None
    assert documents.from_tags([]) is None


@pytest.mark.parametrize("place", [Place("acme-a"), Place("acme-mesh-shared", "tenant-a-b/")])
def test_a_name_tells_the_place(place):
    assert documents.place_of(documents.name_of(place)) == place


@given(st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,9}[a-z0-9]", fullmatch=True), min_size=2, max_size=2))
def test_names_sort_as_places_do(keys):
    for places in ([Place(key) for key in keys], [Place("b", f"tenant-{key}/") for key in keys]):
        by_name = sorted(places, key=documents.name_of)
        assert by_name == sorted(places, key=lambda place: place.order)


def test_what_is_no_record_has_no_place():
    assert documents.place_of("readme.txt") is None
    assert documents.place_of("elsewhere/a!b") is None
