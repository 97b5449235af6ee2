from datetime import timedelta

import pytest

from faults import Invalid
from storage_service.schemas.model import Limits, Tenant, Tier


@pytest.mark.parametrize(
    ("key", "name"), [("abc", "tenant_abc"), ("acme-corp", "tenant_acme_corp"), ("a" * 31, "tenant_" + "a" * 31)]
)
def test_names_follow_from_keys(key, name):
    assert Tenant("t", key, Tier.SILO).own_name == name
    assert len(name) <= 63


@pytest.mark.parametrize("key", ['"; drop', "", "ab", "a" * 32, "1ab", "Abc", "ab_c", "abc-", "abc\n"])
def test_a_key_no_name_can_be_made_of(key):
    with pytest.raises(Invalid) as invalid:
        Tenant("t", key, Tier.SILO)
    assert invalid.value.reason == "NAME_INVALID"


def test_limits_that_are_said_win():
    settings = Limits(20, timedelta(minutes=1), timedelta(minutes=5))
    assert Limits().over(settings) == settings
    assert Limits(3).over(settings) == Limits(3, timedelta(minutes=1), timedelta(minutes=5))
