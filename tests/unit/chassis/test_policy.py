import json

import pytest

from chassis.policy import Policy, policy_in


def policy(*entries):
    return Policy({"identities": list(entries)})


def entry(identity, *permissions, **more):
    return {"identity": identity, "permissions": list(permissions), **more}


def test_an_identity_has_what_its_entry_says():
    principal = policy(entry("spiffe://mesh/worker", "dns.*")).principal("spiffe://mesh/worker")
    assert principal.name == "spiffe://mesh/worker"
    assert "dns.records.read" in principal.permissions
    assert "storage.buckets.read" not in principal.permissions
    assert principal.tenant_id == ""


def test_one_without_an_entry_is_nobody():
    assert policy(entry("spiffe://mesh/worker", "*")).principal("spiffe://mesh/other") is None
    assert policy().principal("") is None


def test_a_star_is_one_part_of_the_path():
    agents = policy(entry("spiffe://mesh/agents/*", "dns.records.read", tenant_id="t-1"))
    assert agents.principal("spiffe://mesh/agents/a").tenant_id == "t-1"
    assert agents.principal("spiffe://mesh/agents/a").name == "spiffe://mesh/agents/a"
    for identity in ("spiffe://mesh/agents", "spiffe://mesh/agents/a/b", "spiffe://other/agents/a"):
        assert agents.principal(identity) is None


def test_the_first_entry_that_fits_counts():
    both = policy(entry("spiffe://mesh/a", "dns.records.read"), entry("spiffe://mesh/*", "*"))
    assert "storage.buckets.read" not in both.principal("spiffe://mesh/a").permissions
    assert "storage.buckets.read" in both.principal("spiffe://mesh/b").permissions


def test_a_principal_is_made_once_and_strangers_fill_no_memory():
    one = policy(entry("spiffe://mesh/*", "*"))
    assert one.principal("spiffe://mesh/a") is one.principal("spiffe://mesh/a")
    for number in range(10_000):
        one.principal(f"spiffe://mesh/{number}")
    assert len(one._known) <= 4096


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "list of"),
        ({}, "list of"),
        ({"identities": {}}, "list of"),
        ({"identities": ["worker"]}, "entry 1 of the policy names no identity"),
        ({"identities": [entry("", "*")]}, "names no identity"),
        ({"identities": [entry("a", "*"), {"identity": "b"}]}, "entry 2 of the policy has permissions that are not"),
        ({"identities": [entry("a", "DNS")]}, "not patterns"),
        ({"identities": [{"identity": "a", "permissions": "*"}]}, "not patterns"),
        ({"identities": [entry("a", "*", tenant_id="")]}, "tenant_id that is none"),
        ({"identities": [entry("a", "*", tenant_id=None)]}, "tenant_id that is none"),
        ({"identities": [entry("a", "*", tenant="t")]}, "has fields other than"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(document, problem):
    with pytest.raises(ValueError, match=problem):
        Policy(document)


def test_a_changed_file_counts_and_a_broken_one_does_not(tmp_path, monkeypatch):
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"identities": []}))
    current = policy_in(path)
    monkeypatch.setattr(current, "_pause", 0)
    assert current.value().principal("a") is None
    path.write_text(json.dumps({"identities": [entry("a", "*")]}))
    assert current.value().principal("a") is not None
    path.write_text('{"identities": [{"identity"')
    assert current.value().principal("a") is not None


def test_a_start_with_a_broken_one_is_refused(tmp_path):
    (tmp_path / "policy.json").write_text("{")
    with pytest.raises(ValueError, match="Expecting"):
        policy_in(tmp_path / "policy.json")
