"""What becomes of a record when its resource is reported again."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from faults import AlreadyExists
from tenants_service.resources.model import Made, Name, Resource, reported

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
BUCKET = Made(Name("bucket", "s3", "acme"), "s3://acme", {"region": "eu"})
RECORD = Resource(UUID(int=1), UUID(int=2), BUCKET, "provision-acme", NOW, NOW)


def test_the_same_again_changes_nothing():
    again = Made(BUCKET.name, BUCKET.uri, dict(BUCKET.metadata))
    assert reported(RECORD, again, "provision-acme", LATER) is RECORD


@pytest.mark.parametrize("made", [Made(BUCKET.name, "", BUCKET.metadata), Made(BUCKET.name, BUCKET.uri, {})])
def test_what_is_new_about_it_is_kept_under_a_new_revision(made):
    after = reported(RECORD, made, "provision-acme", LATER)
    assert (after.made, after.revision, after.create_time, after.update_time) == (made, 2, NOW, LATER)


def test_what_another_operation_made_is_not_taken_over():
    with pytest.raises(AlreadyExists) as caught:
        reported(RECORD, BUCKET, "other-operation", LATER)
    assert caught.value.reason == "RESOURCE_RECORDED_OTHERWISE"
    assert caught.value.facts == {
        "type": "bucket", "provider": "s3", "identifier": "acme", "operation_id": "provision-acme",
    }  # fmt: skip
