"""Each house rule can fail: a flawless contract is given one flaw after the other, and each is reported, alone."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SAMPLE = (HERE / "sample.proto").read_text()
FLAWS = tomllib.loads((HERE / "flaws.toml").read_text())


def domain(flaw):
    return flaw.replace("-", "_")


def flawed(old, new):
    assert old in SAMPLE, "the flaw changes nothing"
    return SAMPLE.replace(old, new)


@pytest.fixture(scope="module")
def contracts(rules, compiled, root, tmp_path_factory):
    """Every flaw in a domain of its own, and one without, so that protoc runs once."""
    proto = tmp_path_factory.mktemp("proto")
    shutil.copytree(root / "proto" / "tenantmesh" / "common", proto / "tenantmesh" / "common")
    texts = {name: flawed(flaw["old"], flaw["new"]) for name, flaw in FLAWS.items()} | {"flawless": SAMPLE}
    for name, text in texts.items():
        file = proto / "tenantmesh" / domain(name) / "v1" / "sample.proto"
        file.parent.mkdir(parents=True)
        file.write_text(re.sub(r"\bsample(?=[./](?!proto))", domain(name), text))
    return rules.read(compiled(proto))


@pytest.fixture(scope="module")
def problems_of(rules, contracts):
    problems = rules.problems(contracts)
    return lambda name: [each for each in problems if each.startswith(f"tenantmesh.{domain(name)}.")]


def test_a_flawless_contract_has_no_problem(problems_of):
    assert problems_of("flawless") == []


@pytest.mark.parametrize("name", FLAWS)
def test_a_flaw_is_reported_alone(problems_of, name):
    (problem,) = problems_of(name)
    assert re.search(f"{FLAWS[name]['problem']}$", problem), problem


def test_every_rule_has_a_flaw(rules, contracts):
    assert [rule.__name__ for rule in rules.RULES if not list(rule(contracts))] == []


GET_THING = "tenantmesh.request_without_tenant.v1.ThingService.GetThing"
LIST_THINGS = "tenantmesh.flawless.v1.ThingService.ListThings"


def test_a_request_about_no_tenant_is_excused_by_name(rules, contracts, monkeypatch):
    monkeypatch.setitem(rules.tenancy.WITHOUT_TENANT, GET_THING, "things of nobody")
    assert not [problem for problem in rules.problems(contracts) if problem.startswith(GET_THING)]


@pytest.mark.parametrize(
    ("excused", "problem"),
    [
        (LIST_THINGS, "carries tenant_id and stands in WITHOUT_TENANT all the same"),
        (f"{LIST_THINGS}AndMore", "stands in WITHOUT_TENANT and is no RPC"),
    ],
)
def test_an_excuse_nobody_needs_is_reported(rules, contracts, monkeypatch, excused, problem):
    monkeypatch.setitem(rules.tenancy.WITHOUT_TENANT, excused, "no reason at all")
    assert f"{excused}: {problem}" in rules.problems(contracts)
