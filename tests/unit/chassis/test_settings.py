from datetime import timedelta

import pytest

from chassis import Mode, ServerSettings
from settingskit import SettingsInvalid, load


@pytest.fixture
def files(tmp_path):
    for name in ("cert", "key", "ca", "policy", "jwks"):
        (tmp_path / name).write_text(name)
    return tmp_path


def problems(environ):
    with pytest.raises(SettingsInvalid) as caught:
        load(ServerSettings, environ)
    return {problem.name: problem.message for problem in caught.value.problems}


def test_by_default_nobody_is_let_in_unknown():
    found = problems({})
    assert list(found) == ["AUTH_JWKS"]
    assert "nothing says how callers are known" in found["AUTH_JWKS"]


def test_development_needs_nothing_and_lets_everybody_in():
    settings = load(ServerSettings, {"MESH_MODE": "development"})
    assert settings.open_to_all
    assert (settings.host, settings.port, settings.ops.host) == ("127.0.0.1", 0, "127.0.0.1")
    assert settings.default_deadline == timedelta(seconds=30)


def test_development_with_tokens_lets_in_who_has_one(files):
    environ = {"MESH_MODE": "development", "AUTH_JWKS": str(files / "jwks"), "AUTH_ISSUER": "i", "AUTH_AUDIENCE": "a"}
    assert not load(ServerSettings, environ).open_to_all
    assert load(ServerSettings, {**environ, "AUTH_DEVELOPMENT": "true"}).open_to_all


def test_production_refuses_to_let_everybody_in():
    environ = {"AUTH_DEVELOPMENT": "true", "AUTH_JWKS": "https://issuer.example/jwks"}
    found = problems({**environ, "AUTH_ISSUER": "i", "AUTH_AUDIENCE": "a"})
    assert found == {"AUTH_DEVELOPMENT": "lets everybody in, which MESH_MODE=production refuses"}


def test_every_contradiction_of_a_group_is_said_at_once(files):
    found = problems({"TLS_CERT_FILE": str(files / "none"), "TLS_CLIENT_CA_FILE": str(files), "MESH_MODE": "mock"})
    assert set(found) == {"TLS_KEY_FILE", "TLS_CERT_FILE", "TLS_CLIENT_CA_FILE"}
    assert "cannot be read" in found["TLS_CERT_FILE"]
    found = problems({"AUTH_JWKS": str(files / "none"), "AUTH_ALGORITHMS": "none,HS256", "MESH_MODE": "mock"})
    assert set(found) == {"AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_JWKS", "AUTH_ALGORITHMS"}


def test_and_of_several_groups(files):
    found = problems({"TLS_CERT_FILE": str(files / "cert"), "AUTH_JWKS": str(files / "jwks"), "RPC_PORT": "-1"})
    assert set(found) == {"TLS_KEY_FILE", "AUTH_ISSUER", "AUTH_AUDIENCE", "RPC_PORT"}


def test_a_key_without_its_certificate_is_none(files):
    assert set(problems({"TLS_KEY_FILE": str(files / "key"), "MESH_MODE": "mock"})) == {"TLS_CERT_FILE"}


def test_authorities_without_tls_are_of_no_use(files):
    found = problems({"TLS_CLIENT_CA_FILE": str(files / "ca"), "MESH_MODE": "mock"})
    assert set(found) == {"TLS_CLIENT_CA_FILE"}


def test_certificates_need_a_policy_and_a_policy_needs_certificates(files):
    tls = {
        "TLS_CERT_FILE": str(files / "cert"),
        "TLS_KEY_FILE": str(files / "key"),
        "TLS_CLIENT_CA_FILE": str(files / "ca"),
    }
    assert set(problems(tls)) == {"AUTH_POLICY_FILE"}
    assert load(ServerSettings, {**tls, "AUTH_POLICY_FILE": str(files / "policy")}).mode is Mode.PRODUCTION
    found = problems({"AUTH_POLICY_FILE": str(files / "policy"), "MESH_MODE": "development"})
    assert set(found) == {"TLS_CLIENT_CA_FILE"}


def test_one_port_cannot_serve_both():
    assert set(problems({"MESH_MODE": "mock", "RPC_PORT": "7104", "OPS_PORT": "7104"})) == {"OPS_PORT"}
    assert load(ServerSettings, {"MESH_MODE": "mock", "RPC_PORT": "0", "OPS_PORT": "0"}).port == 0
