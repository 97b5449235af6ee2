import pytest

from faults import Conflict, Invalid
from storage_service.blueprint.model import Blueprint, Migration, Script, Template, pending

MIGRATIONS = tuple(Migration(number, Script(f"000{number}_x.sql", f"SELECT {number}")) for number in (1, 2, 3))


def template(**changes):
    return Template(
        **{"name": "default", "version": "1", "variables": {"company": None, "locale": "en"}, "scripts": ()} | changes
    )


def test_variables_take_what_is_given_and_else_their_default():
    assert template().values({"company": "Acme", "nobody_asked": "x"}) == {"company": "Acme", "locale": "en"}
    assert template().values({"company": "", "locale": "de"}) == {"company": "", "locale": "de"}


def test_all_missing_variables_are_named():
    with pytest.raises(Invalid) as missing:
        template(variables={"b": None, "a": None, "c": "x"}).values({})
    assert (missing.value.reason, missing.value.facts["variables"]) == ("VARIABLE_MISSING", "a,b")


def test_line_ends_do_not_change_a_checksum_and_everything_else_does():
    assert Script("a.sql", "x\r\ny").sha256 == Script("a.sql", "x\ny").sha256
    first = template(scripts=(Script("a.sql", "x"),))
    for other in (template(version="2"), template(name="other"), template(scripts=(Script("b.sql", "x"),)), template()):
        assert other.sha256 != first.sha256


def test_what_is_pending():
    had = {one.version: one.script.sha256 for one in MIGRATIONS[:2]}
    assert pending(MIGRATIONS, had, "s") == MIGRATIONS[2:]
    assert pending(MIGRATIONS, {}, "s") == MIGRATIONS
    assert pending(MIGRATIONS[:1], had, "s") == ()  # a newer release was here
    with pytest.raises(Conflict) as changed:
        pending(MIGRATIONS, had | {1: "else"}, "s")
    assert changed.value.facts == {"schema": "s", "version": "1"}


def test_versions_there_are():
    blueprint = Blueprint(MIGRATIONS, {"default": template()})
    assert blueprint.newest == 3
    assert blueprint.upto(0) == MIGRATIONS
    assert blueprint.upto(2) == MIGRATIONS[:2]
    with pytest.raises(Invalid):
        blueprint.upto(4)
    with pytest.raises(Conflict):
        blueprint.template("other")
