"""Names, settings and configurations of places."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults import Invalid
from storage_service.buckets.model import (
    BucketSettings,
    Configuration,
    Defaults,
    Feature,
    FeatureState,
    Lifecycle,
    Names,
    Place,
    SettingsChange,
    Stamp,
    Tier,
    check_bucket_name,
)
from storage_service.credentials.model import Owner

NAMES = Names("acme", "acme-mesh-records", "acme-mesh-shared")
SETTINGS = BucketSettings(versioning=True, kms_key_id="", lifecycle=Lifecycle(timedelta(days=30), timedelta(days=7)))
KEYS = st.from_regex(r"[a-z][a-z0-9-]{1,29}[a-z0-9]", fullmatch=True)


@given(KEYS, KEYS)
def test_different_keys_never_share_a_place(one, other):
    for tier in (Tier.SILO, Tier.POOLED):
        try:
            places = [NAMES.place_of(key, tier) for key in (one, other)]
        except Invalid:
            continue
        assert (places[0] == places[1]) is (one == other)
        if tier is Tier.POOLED and one != other:
            assert not places[0].prefix.startswith(places[1].prefix)


@given(st.text(max_size=70))
def test_a_name_is_taken_only_if_it_is_a_host_name_in_small_letters(name):
    try:
        check_bucket_name(name)
    except Invalid as refused:
        assert refused.reason == "NAME_INVALID"
    else:
        assert 3 <= len(name) <= 63
        assert name == name.lower()
        assert name.isascii()


def test_the_buckets_of_the_mesh_are_nobodys():
    for key in ("mesh-records", "mesh-shared"):
        with pytest.raises(Invalid) as refused:
            NAMES.place_of(key, Tier.SILO)
        assert refused.value.facts == {"name": f"acme-{key}", "rule": "reserved"}
        assert NAMES.place_of(key, Tier.POOLED).prefix == f"tenant-{key}/"


def test_what_a_change_does_not_say_stays():
    assert SettingsChange().applied(SETTINGS) == SETTINGS
    changed = SettingsChange(versioning=False, kms_key_id="k", noncurrent=timedelta(days=1)).applied(SETTINGS)
    assert changed == BucketSettings(
        versioning=False, kms_key_id="k", lifecycle=Lifecycle(timedelta(days=1), timedelta(days=7))
    )


def test_a_store_can_be_only_what_it_has():
    wanted = Configuration.of(SETTINGS, ("acme.example",))
    assert wanted.within(frozenset()) == Configuration()
    assert wanted.within(frozenset(Feature)) == wanted
    for feature in Feature:
        states = {one: wanted.within(frozenset({feature})).state_of(one) for one in Feature}
        on = {one for one, state in states.items() if state is FeatureState.ON}
        assert on == {feature, Feature.LIMITED_CREDENTIALS, Feature.QUOTA}


def test_places_stand_in_lists_as_their_names_do_without_the_slash():
    places = [Place("b", "tenant-a-b/"), Place("a-b"), Place("b", "tenant-a/"), Place("a")]
    ordered = [Place("a"), Place("a-b"), Place("b", "tenant-a/"), Place("b", "tenant-a-b/")]
    assert sorted(places, key=lambda place: place.order) == ordered


def test_a_record_is_recovered_from_a_stamp():
    owner = Owner("t", "op-1", datetime(2026, 1, 1, tzinfo=UTC))
    record = Defaults(SETTINGS, ("documents/",)).recovered(Place("b"), Stamp("acme", Tier.SILO, owner))
    assert record.complete
    assert record.belongs_to("t")
    assert record.stamp == Stamp("acme", Tier.SILO, owner)
    assert record.credential("x") is None
