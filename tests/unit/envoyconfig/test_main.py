import json
import os
import subprocess
import sys

import pytest


def run(*words, **environment):
    command = [sys.executable, "-m", "envoyconfig", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=60
    )


def test_writes_what_the_environment_and_the_command_line_say(tmp_path):
    done = run(tmp_path, "dns=dns.mesh.svc:7104", GATEWAY_PORT="8443")
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "envoy.json"))
    config = json.loads((tmp_path / "envoy.json").read_text())["static_resources"]
    assert config["listeners"][0]["address"]["socket_address"]["port_value"] == 8443
    (dns,) = [cluster for cluster in config["clusters"] if cluster["name"] == "dns"]
    assert dns["type"] == "STRICT_DNS"
    (endpoint,) = dns["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["socket_address"] == {"address": "dns.mesh.svc", "port_value": 7104}


def test_names_every_setting_that_is_wrong(tmp_path):
    done = run(tmp_path, "dns=127.0.0.1:1", GATEWAY_PORT="none", GATEWAY_RATE="0")
    assert done.returncode == 1
    assert "GATEWAY_PORT" in done.stderr
    assert "GATEWAY_RATE" in done.stderr


@pytest.mark.parametrize("word", ["dns", "dns=", "dns=host", "=host:1", "dns=:1", "dns=host:x"])
def test_refuses_what_is_no_upstream(tmp_path, word):
    done = run(tmp_path, word)
    assert done.returncode == 2
    assert "is not DOMAIN=HOST:PORT" in done.stderr
