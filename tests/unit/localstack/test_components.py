from pathlib import Path

import pytest

import localstack
from localstack.component import Absent, Profile
from localstack.components import COMPONENTS, UnknownComponent, select
from localstack.servers import keycloak, mesh, prometheus
from localstack.settings import StackSettings
from localstack.site import Site


def names(components):
    return [one.name for one in components]


def test_the_list_holds_together():
    known = names(COMPONENTS)
    assert len(set(known)) == len(known)
    for one in COMPONENTS:
        assert set(one.needs) <= set(known), f"{one.name} needs what is not there"
        assert one.summary
    usual = [number for one in COMPONENTS for number in one.ports.values() if number]
    assert len(set(usual)) == len(usual), "two usual ports are the same"


def test_a_need_is_of_the_same_profile_or_an_everyday_one():
    everyday = {one.name for one in COMPONENTS if one.profile is Profile.DEFAULT}
    for one in COMPONENTS:
        if one.profile is Profile.DEFAULT:
            assert set(one.needs) <= everyday


def test_the_profiles():
    default, full = names(select(Profile.DEFAULT)), names(select(Profile.FULL))
    assert {"postgres", "temporal", "objectstore", "nameserver", "mailsink", "gateway", "dns"} <= set(default)
    assert set(full) - set(default) == {"prometheus"}
    assert full == names(COMPONENTS)


def test_only_some_come_with_what_they_need():
    assert names(select(Profile.DEFAULT, ["dns"])) == ["nameserver", "dns"]
    assert names(select(Profile.DEFAULT, ["prometheus", "mailsink"])) == ["mailsink", "prometheus"]


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(UnknownComponent, match="no component is called nonsense; there are postgres, temporal"):
        select(Profile.DEFAULT, ["nonsense"])


def test_the_gateway_starts_after_every_service():
    gateway = next(one for one in COMPONENTS if one.name == "gateway")
    assert set(gateway.needs) == {one.name for one in COMPONENTS if "rpc" in one.ports}


async def test_a_service_is_one_entry(tmp_path, monkeypatch):
    one = mesh.service("tenants", "records", needs=("postgres",))
    site = Site("tenants", tmp_path, {"rpc": 7101, "ops": 9101})
    assert one.ports == {"rpc": 7101, "ops": 9101}
    assert one.gives(site) == {
        "TENANTS_ADDRESS": "127.0.0.1:7101",
        "TENANTS_RPC_PORT": "7101",
        "TENANTS_OPS_PORT": "9101",
    }
    assert one.command(site)[1:] == ["-m", "tenants_service"]
    assert one.environment(site)["MESH_MODE"] == "development"
    assert one.environment(site)["PAGE_TOKEN_KEY"] == one.environment(site)["PAGE_TOKEN_KEY"] != ""
    monkeypatch.setattr(mesh.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(Absent, match="tenants_service has nothing to run yet"):
        await one.prepare(site)
    monkeypatch.setattr(mesh.importlib.util, "find_spec", lambda name: name)
    assert await one.prepare(site) is None


async def test_keycloak_can_be_left_out_and_says_so(tmp_path):
    site = Site("keycloak", tmp_path, settings=StackSettings(keycloak=False))
    with pytest.raises(Absent, match="switched off by LOCAL_KEYCLOAK; identity uses its local directory"):
        await keycloak.prepare(site)


def test_prometheus_reads_every_process_that_has_metrics(tmp_path):
    neighbours = {
        "dns": {"rpc": 7104, "ops": 9104},
        "gateway": {"http": 8080, "admin": 9901},
        "temporal": {"grpc": 7233, "metrics": 7234},
        "mailsink": {"smtp": 1025},
        "keycloak": {"http": 8081, "management": 9000},
    }
    site = Site("prometheus", tmp_path, {"http": 9090}, neighbours=neighbours)
    jobs = {
        job["job_name"]: (job["static_configs"][0]["targets"], job["metrics_path"])
        for job in prometheus.scrape_config(site)["scrape_configs"]
    }
    assert jobs == {
        "prometheus": (["127.0.0.1:9090"], "/metrics"),
        "dns": (["127.0.0.1:9104"], "/metrics"),
        "gateway": (["127.0.0.1:9901"], "/stats/prometheus"),
        "temporal": (["127.0.0.1:7234"], "/metrics"),
        "keycloak": (["127.0.0.1:9000"], "/metrics"),
    }


def test_the_readme_lists_every_component_with_its_ports():
    readme = (Path(localstack.__file__).parents[2] / "README.md").read_text()
    for one in COMPONENTS:
        (row,) = [line for line in readme.splitlines() if line.startswith(f"| `{one.name}` |")]
        assert row.endswith(f"| {one.profile.value} |")
        ports = ", ".join(f"{name} {number}" for name, number in one.ports.items() if number)
        assert f"| {ports} |" in row
