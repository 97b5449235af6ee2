import pytest

from settingskit import SettingsInvalid, load
from temporalkit.client import connect_options
from temporalkit.settings import TemporalSettings, WorkerSettings


def options(**environ):
    return connect_options(load(TemporalSettings, environ))


def test_by_default_it_is_the_server_beside_us():
    assert options() == {"target_host": "127.0.0.1:7233"}


def test_the_names_are_those_of_temporals_own_tools():
    assert options(TEMPORAL_ADDRESS="temporal:7233", TEMPORAL_NAMESPACE="mesh") == {
        "target_host": "temporal:7233",
        "namespace": "mesh",
    }


def test_a_service_has_its_own_namespace_before_the_shared_one():
    environ = {"TEMPORAL_NAMESPACE": "shared", "WORKER_TEMPORAL_NAMESPACE": "own"}
    assert connect_options(load(TemporalSettings, environ, service="worker"))["namespace"] == "own"


def test_an_api_key_implies_tls_and_hides():
    settings = load(TemporalSettings, {"TEMPORAL_API_KEY": "hunter2"})
    assert connect_options(settings)["api_key"] == "hunter2"
    assert connect_options(settings)["tls"] is True
    assert "hunter2" not in repr(settings)


@pytest.fixture
def certificates(tmp_path):
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text(f"the {name}")
    return {
        "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(tmp_path / "ca"),
        "TEMPORAL_TLS_CLIENT_CERT_PATH": str(tmp_path / "cert"),
        "TEMPORAL_TLS_CLIENT_KEY_PATH": str(tmp_path / "key"),
    }


def test_certificates_imply_tls(certificates):
    tls = options(**certificates, TEMPORAL_TLS_SERVER_NAME="temporal.internal")["tls"]
    assert (tls.server_root_ca_cert, tls.client_cert, tls.client_private_key) == (b"the ca", b"the cert", b"the key")
    assert tls.domain == "temporal.internal"


@pytest.mark.parametrize(("said", "tls"), [("true", True), ("false", False)])
def test_tls_can_be_said(said, tls):
    assert bool(options(TEMPORAL_TLS=said)["tls"]) is tls


@pytest.mark.parametrize("missing", ["CERT", "KEY"])
def test_a_certificate_needs_its_key(certificates, missing):
    name = f"TEMPORAL_TLS_CLIENT_{missing}_PATH"
    del certificates[name]
    with pytest.raises(SettingsInvalid, match=f"{name}: is required"):
        options(**certificates)


def test_files_that_are_not_there_are_all_named(tmp_path):
    names = ["TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH", "TEMPORAL_CONFIG_FILE"]
    with pytest.raises(SettingsInvalid) as caught:
        options(**{name: str(tmp_path / "nothing") for name in names})
    assert [problem.name for problem in caught.value.problems] == names


@pytest.fixture
def profiles(tmp_path):
    path = tmp_path / "temporal.toml"
    path.write_text(
        '[profile.default]\naddress = "one:7233"\nnamespace = "first"\n'
        '[profile.other]\naddress = "two:7233"\napi_key = "hunter2"\n'
    )
    return str(path)


def test_a_profile_is_read_and_settings_win_over_it(profiles):
    assert options(TEMPORAL_CONFIG_FILE=profiles) == {"target_host": "one:7233", "namespace": "first"}
    assert options(TEMPORAL_CONFIG_FILE=profiles, TEMPORAL_NAMESPACE="mine")["namespace"] == "mine"
    assert options(TEMPORAL_CONFIG_FILE=profiles, TEMPORAL_PROFILE="other")["api_key"] == "hunter2"


def test_a_profile_needs_a_file():
    with pytest.raises(SettingsInvalid, match="TEMPORAL_CONFIG_FILE: is required with TEMPORAL_PROFILE"):
        options(TEMPORAL_PROFILE="other")


def test_a_file_of_the_home_folder_is_not_read(tmp_path, monkeypatch):
    """What a developer has there must not decide where a service connects."""
    folder = tmp_path / ".config" / "temporalio"
    folder.mkdir(parents=True)
    (folder / "temporal.toml").write_text('[profile.default]\naddress = "somewhere:1"\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TEMPORAL_ADDRESS", "elsewhere:1")
    assert options() == {"target_host": "127.0.0.1:7233"}


@pytest.mark.parametrize("text", ["not = [toml", '[profile.mine]\napi_key = "hunter2', "[profile.other]\n"])
def test_a_file_without_the_profile_is_refused_and_not_shown(tmp_path, text):
    path = tmp_path / "temporal.toml"
    path.write_text(text)
    with pytest.raises(SettingsInvalid, match="has no profile 'mine' that can be read") as caught:
        options(TEMPORAL_CONFIG_FILE=str(path), TEMPORAL_PROFILE="mine")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_only_a_named_build_can_be_promoted():
    with pytest.raises(SettingsInvalid, match="WORKER_BUILD_ID: is required"):
        load(WorkerSettings, {"WORKER_PROMOTE": "true"})
    assert load(WorkerSettings, {"WORKER_PROMOTE": "true", "WORKER_BUILD_ID": "c0ffee"}).promote


def test_a_worker_needs_two_slots_for_workflows():
    with pytest.raises(SettingsInvalid, match="MAX_CONCURRENT_WORKFLOWS: must be at least 2"):
        load(WorkerSettings, {"MAX_CONCURRENT_WORKFLOWS": "1"})
