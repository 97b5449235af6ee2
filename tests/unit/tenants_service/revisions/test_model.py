from dataclasses import dataclass

import pytest

from faults import Aborted
from tenants_service.revisions.model import fields_of, news, same


@dataclass(frozen=True, slots=True)
class Thing:
    name: str = "a"
    size: int = 1
    etag: str = "7"


@dataclass(frozen=True, slots=True)
class Changes:
    name: str | None = None
    size: int | None = None


@pytest.mark.parametrize("etag", ["", "7"])
def test_what_was_read_or_nobody_asks_about_is_written_over(etag):
    assert same(Thing(), etag) == Thing()


@pytest.mark.parametrize("etag", ["6", "8", "07", "x"])
def test_what_was_not_read_is_not_written_over(etag):
    with pytest.raises(Aborted) as refused:
        same(Thing(), etag)
    assert (refused.value.reason, refused.value.facts) == ("ETAG_MISMATCH", {"etag": "7"})


def test_fields_are_the_same_things_by_name():
    name = str(object())
    assert list(fields_of(Thing(name, 2)).items()) == [("name", name), ("size", 2), ("etag", "7")]
    assert fields_of(Thing(name))["name"] is name


def test_news_are_what_the_record_does_not_say():
    assert news(Thing(), Changes()) == {}
    assert news(Thing(), Changes("a", 1)) == {}
    assert news(Thing(), Changes("b", 1)) == {"name": "b"}
    assert news(Thing(), Changes("", 0)) == {"name": "", "size": 0}
