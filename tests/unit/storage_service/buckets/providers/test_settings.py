"""Settings that cannot work are refused, all at once."""

import pytest

from settingskit import SettingsInvalid, load
from storage_service.buckets.model import Names
from storage_service.buckets.providers.s3.settings import S3Settings
from storage_service.buckets.providers.settings import BucketDefaults

KEY = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}


def problems(kind, **environ):
    with pytest.raises(SettingsInvalid) as refused:
        load(kind, environ, service="storage")
    return {problem.name for problem in refused.value.problems}


def test_names_follow_from_the_prefix():
    made = load(BucketDefaults, {"STORAGE_BUCKET_PREFIX": "shop"}, service="storage")
    assert made.names == Names("shop", "shop-mesh-records", "shop-mesh-shared")
    assert made.defaults.folders == ("documents/", "uploads/")
    given = load(
        BucketDefaults,
        {"STORAGE_SHARED_BUCKET": "ours", "STORAGE_RECORDS_BUCKET": "theirs", "STORAGE_BUCKET_FOLDERS": "b/,a,a/c,b"},
        service="storage",
    )
    assert given.names == Names("tenantmesh", "theirs", "ours")
    assert given.defaults.folders == ("a/", "a/c/", "b/")


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"STORAGE_BUCKET_PREFIX": "a" * 21}, {"STORAGE_BUCKET_PREFIX"}),
        ({"STORAGE_BUCKET_PREFIX": "-a"}, {"STORAGE_BUCKET_PREFIX"}),
        ({"STORAGE_SHARED_BUCKET": "A"}, {"STORAGE_SHARED_BUCKET"}),
        ({"STORAGE_SHARED_BUCKET": "same", "STORAGE_RECORDS_BUCKET": "same"}, {"STORAGE_RECORDS_BUCKET"}),
        ({"STORAGE_BUCKET_FOLDERS": "../up"}, {"STORAGE_BUCKET_FOLDERS"}),
        ({"STORAGE_BUCKET_FOLDERS": "a//b"}, {"STORAGE_BUCKET_FOLDERS"}),
        ({"STORAGE_BUCKET_FOLDERS": "a/./b"}, {"STORAGE_BUCKET_FOLDERS"}),
        ({"STORAGE_NONCURRENT_LIFETIME": "36h"}, {"STORAGE_NONCURRENT_LIFETIME"}),
        ({"STORAGE_INCOMPLETE_UPLOAD_LIFETIME": "25h"}, {"STORAGE_INCOMPLETE_UPLOAD_LIFETIME"}),
        (
            {"STORAGE_BUCKET_PREFIX": "X", "STORAGE_SHARED_BUCKET": "-"},
            {"STORAGE_BUCKET_PREFIX", "STORAGE_SHARED_BUCKET"},
        ),
    ],
)
def test_what_no_store_takes_is_refused(environ, named):
    assert problems(BucketDefaults, **environ) == named


def test_amazon_is_asked_for_more_than_a_store_of_ones_own():
    amazon = load(S3Settings, {}, service="storage")
    assert (amazon.at_amazon, amazon.in_path, amazon.needs_block) == (True, False, True)
    own = load(S3Settings, {"S3_ENDPOINT": "http://127.0.0.1:1", **KEY}, service="storage")
    assert (own.at_amazon, own.in_path, own.needs_block) == (False, True, False)
    said = load(
        S3Settings,
        {"S3_ENDPOINT": "x", "S3_PATH_STYLE": "false", "S3_REQUIRE_PUBLIC_ACCESS_BLOCK": "true", **KEY},
        service="storage",
    )
    assert (said.in_path, said.needs_block) == (False, True)
    assert "secret" not in repr(said).replace("secret_", "")


def test_half_a_key_and_a_store_without_one_are_refused():
    assert problems(S3Settings, AWS_ACCESS_KEY_ID="id") == {"AWS_SECRET_ACCESS_KEY"}
    assert problems(S3Settings, S3_ENDPOINT="http://127.0.0.1:1") == {"AWS_ACCESS_KEY_ID"}
