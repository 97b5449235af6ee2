"""What is deployed, held against the processes themselves: nothing leads nowhere, and every process starts with it."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from localstack.servers.mesh import PORTS

ROOT = Path(__file__).resolve().parents[3]
KUBECTL = Path(sys.executable).parent / "kubectl"
ROOMS = {path.name for path in (ROOT / "services").iterdir()}
PROCESSES = sorted({path.parents[2].name for path in (ROOT / "services").glob("*/src/*/__main__.py")})
SERVICES = [name for name in PROCESSES if name != "worker"]
SECRETS = {
    path.stem: dict(line.split("=", 1) for line in path.read_text().splitlines())
    for path in (ROOT / "deploy/k8s/secrets").glob("*.env")
}


@pytest.fixture(scope="module")
def objects():
    done = subprocess.run([KUBECTL, "kustomize", ROOT / "deploy/k8s/base"], check=True, capture_output=True, text=True)
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(done.stdout)}


@pytest.fixture(scope="module")
def composed():
    return yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]


def container(objects, name):
    [one] = objects["Deployment", name]["spec"]["template"]["spec"]["containers"]
    return one


def environment(objects, name):
    """The variables that a process gets, with the examples for what is secret."""
    told = {}
    for source in container(objects, name).get("envFrom", ()):
        if "configMapRef" in source:
            told |= objects["ConfigMap", source["configMapRef"]["name"]]["data"]
        else:
            told |= SECRETS[source["secretRef"]["name"]]
    return told | {one["name"]: one["value"] for one in container(objects, name).get("env", ())}


def read(name, environ):
    """The settings of a process, as it reads them itself."""
    settings = importlib.import_module(f"{name}_service.settings")
    if hasattr(settings, "read"):
        return settings.read(environ)
    return importlib.import_module(f"{name}_service.app").configured(environ)


def test_every_process_is_deployed_and_nothing_else(objects, composed):
    deployed = {name for kind, name in objects if kind == "Deployment"}
    assert {*PROCESSES, "gateway"} <= deployed <= {*ROOMS, "gateway"}
    assert composed.keys() == {*deployed, "postgres", "temporal"}


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_starts_with_what_it_is_told(objects, composed, name):
    told = environment(objects, name)
    assert told["MESH_MODE"] == "production"
    assert read(name, told)
    assert read(name, composed[name]["environment"])


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_told_nothing_that_nobody_reads(objects, composed, name):
    known = set(re.findall(r"^#? ?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    addresses = {f"{service.upper()}_ADDRESS" for service in PORTS}
    for told in (environment(objects, name), composed[name]["environment"]):
        assert told.keys() - known - addresses - {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} == set()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_found_where_it_listens(objects, name):
    rpc, ops = PORTS[name]
    one = container(objects, name)
    assert {port["name"]: port["containerPort"] for port in one["ports"]} == {"rpc": rpc, "ops": ops}
    assert (one["startupProbe"]["grpc"], one["readinessProbe"]["grpc"]) == ({"port": rpc}, {"port": rpc})
    service = objects["Service", name]["spec"]
    # Headless, so a port of the Service is the port of the pod.
    assert service["clusterIP"] == "None"
    assert {port["targetPort"]: port["port"] for port in service["ports"]} == {"rpc": rpc, "ops": ops}


def test_every_service_selects_pods_that_there_are(objects):
    labels = [
        one["spec"]["template"]["metadata"]["labels"] for (kind, _), one in objects.items() if kind == "Deployment"
    ]
    for (kind, _), one in objects.items():
        if kind == "Service":
            assert sum(one["spec"]["selector"].items() <= pod.items() for pod in labels) == 1
        if kind == "Deployment":
            pod = one["spec"]["template"]["metadata"]["labels"]
            assert one["spec"]["selector"]["matchLabels"].items() <= pod.items()


@pytest.mark.parametrize("name", [*PROCESSES, "gateway"])
def test_a_process_may_do_nothing_but_its_work(objects, name):
    pod, one = objects["Deployment", name]["spec"]["template"]["spec"], container(objects, name)
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert one["resources"]["limits"].keys() == one["resources"]["requests"].keys() == {"cpu", "memory"}
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= one.keys()
    assert one["image"].startswith("ghcr.io/tenantmesh/tenantmesh-")


def test_whoever_calls_a_service_knows_where_it_is(objects, composed):
    recipe = (ROOT / "deploy/docker/Dockerfile").read_text()
    for name in SERVICES:
        address = f"{name}:{PORTS[name][0]}"
        if name != "provisioning":
            assert environment(objects, "worker")[f"{name.upper()}_ADDRESS"] == f"dns:///{address}"
            assert composed["worker"]["environment"][f"{name.upper()}_ADDRESS"] == address
        assert f" {name}={address}" in recipe


def test_every_process_has_an_image_that_is_built_and_published(composed):
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())
    assert workflow["jobs"]["images"]["strategy"]["matrix"]["service"] == sorted(ROOMS)
    for name in PROCESSES:
        assert composed[name]["build"]["args"] == {"SERVICE": name}
        assert f"tenantmesh-{name} = " in (ROOT / f"services/{name}/pyproject.toml").read_text()


def test_a_database_is_made_for_each_who_is_told_of_one(composed):
    script = (ROOT / "deploy/compose/databases.sql").read_text()
    owners = {name for name in PROCESSES if "DATABASE_URL" in composed[name]["environment"]}
    assert (
        set(re.findall(r"CREATE DATABASE (\w+);", script)) == owners == set(re.findall(r"CREATE ROLE (\w+) ", script))
    )


def test_every_secret_that_is_named_has_an_example_and_the_other_way_round(objects):
    named = {
        source["secretRef"]["name"]
        for kind, name in objects
        if kind == "Deployment"
        for source in container(objects, name).get("envFrom", ())
        if "secretRef" in source
    }
    assert named == SECRETS.keys()
