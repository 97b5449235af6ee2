from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_service.model import Owner, Record, RecordData, RecordKey, RecordType
from dns_service.providers import stamps
from dns_service.providers.stamps import Stamp

TENANT = "0192f0c1-2b3c-7d4e-8f50-112233445566"
TIME = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
STAMP = Stamp(RecordType.A, Owner(TENANT, f"provision-tenant-{TENANT}", TIME), TIME + timedelta(days=400))
TEXT = f"tenantmesh,A,{TENANT},provision-tenant-~,hefh0ptfsw,"
DATA = RecordData(("192.0.2.1",), timedelta(minutes=5))


def record(kind=RecordType.A, **changes):
    made = Record(RecordKey("acme.example.com", kind), DATA, STAMP.owner, "rfc2136", "example.com", TIME, TIME)
    return replace(made, **changes)


OPERATIONS = st.from_regex(r"[a-z0-9][a-z0-9-]{2,127}", fullmatch=True)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds it
SPANS = st.timedeltas(timedelta(), timedelta(days=36500))


@st.composite
def owners(draw):
    tenant = draw(st.uuids().map(str))
    return Owner(tenant, draw(OPERATIONS | st.just(f"provision-{tenant}")), draw(TIMES))


@given(st.sampled_from(RecordType), owners(), SPANS)
def test_a_stamp_is_read_as_it_was_written(kind, owner, later):
    stamp = Stamp(kind, owner, owner.time + later)
    text = str(stamp)
    assert Stamp.parse(text) == stamp
    assert len(text) <= 255
    assert text.isascii()
    assert " " not in text


def test_a_change_is_never_before_the_making():
    early = Stamp(RecordType.A, STAMP.owner, TIME - timedelta(seconds=1))
    assert Stamp.parse(str(early)).update_time == TIME


def test_the_stamps_of_our_workflows_fit_into_a_free_comment():
    for workflow in ("provision-tenant", "bootstrap-organization", "deprovision-tenant", "change-tier"):
        stamp = Stamp(RecordType.CNAME, Owner(TENANT, f"{workflow}-{TENANT}", TIME), TIME + timedelta(days=3650))
        assert len(str(stamp)) <= 100


def test_a_person_can_read_whose_it_is():
    assert str(STAMP).startswith(f"tenantmesh,A,{TENANT},provision-tenant-~,")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=spf1 -all",
        "tenantmesh",
        f"tenantmesh,SRV,{TENANT},provision-acme,hefh0ptfsw,0",
        f"tenantmesh,A,{TENANT},provision-acme,not a number,0",
        f"tenantmesh,A,{TENANT},provision-acme,{'z' * 40},0",
        f"othermesh,A,{TENANT},provision-acme,hefh0ptfsw,0",
        f"tenantmesh,A,{TENANT},provision-acme,hefh0ptfsw,0,more",
    ],
)
def test_what_is_no_stamp_is_none(text):
    assert Stamp.parse(text) is None


@given(st.text(max_size=300))
def test_any_text_is_a_stamp_or_is_none(text):
    assert Stamp.parse(text) is None


def test_the_stamp_of_a_record_bears_its_times():
    assert Stamp.of(record(update_time=TIME + timedelta(hours=1))).update_time == TIME + timedelta(hours=1)
    assert Stamp.of(record(update_time=None)).update_time == TIME


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("acme.example.com", "_tenantmesh.acme.example.com"),
        ("example.com", "_tenantmesh.example.com"),
        ("*.acme.example.com", "_tenantmesh-w.acme.example.com"),
    ],
)
def test_every_name_has_a_place_for_its_stamp(name, place):
    assert stamps.name_of_stamp(name) == place
    assert stamps.stamped_name(place) == name


@pytest.mark.parametrize("name", ["acme.example.com", "_acme-challenge.example.com", "_tenantmeshed.example.com"])
def test_other_names_are_no_places_of_stamps(name):
    assert stamps.stamped_name(name) is None


def test_types_at_one_name_share_the_place_and_strangers_stay():
    stranger = "somebody else's words"
    both = stamps.with_stamp(stamps.with_stamp((stranger,), record()), record(RecordType.TXT))
    assert [Stamp.parse(text) and Stamp.parse(text).type for text in both] == [None, RecordType.A, RecordType.TXT]
    newer = stamps.with_stamp(both, record(update_time=TIME + timedelta(hours=1)))
    assert len(newer) == 3
    assert stamps.without_stamp(newer, RecordType.A) == (stranger, both[2])


def test_records_are_put_together_with_their_stamps_and_without():
    sets = {RecordType.A: DATA, RecordType.TXT: RecordData(("x",), timedelta(minutes=1))}
    gone = replace(STAMP, type=RecordType.MX)
    a, txt, mx = stamps.assemble("rfc2136", "example.com", "acme.example.com", sets, [str(STAMP), str(gone), "other"])
    assert (a.owner, a.create_time, a.update_time) == (STAMP.owner, TIME, STAMP.update_time)
    assert (txt.owner, txt.create_time) == (None, None)
    assert (mx.owner, mx.is_there) == (STAMP.owner, False)
