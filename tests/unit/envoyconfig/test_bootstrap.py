import json
import subprocess
from datetime import timedelta

import pytest
from envoyconfig import GatewaySettings, Upstream, bootstrap, contracts, write

from localstack.packages import inside

UPSTREAMS = [Upstream("dns", "127.0.0.1", 7104), Upstream("tenants", "tenants.mesh.svc", 7101)]


@pytest.fixture
def config(tmp_path):
    return bootstrap(UPSTREAMS, GatewaySettings(origins=("https://console.example.com",)), tmp_path / "d.binpb")


def manager(config):
    (chain,) = config["static_resources"]["listeners"][0]["filter_chains"]
    return chain["filters"][0]["typed_config"]


def clusters(config):
    return {cluster["name"]: cluster for cluster in config["static_resources"]["clusters"]}


def routes(config):
    return manager(config)["route_config"]["virtual_hosts"][0]["routes"]


def filters(config):
    return {
        one["name"].removeprefix("envoy.filters.http."): one["typed_config"] for one in manager(config)["http_filters"]
    }


def route(config, method):
    return next(one for one in routes(config) if one["match"].get("path") == f"/tenantmesh.dns.v1.DnsService/{method}")


def test_envoy_accepts_it(tmp_path):
    path = write(tmp_path, UPSTREAMS, GatewaySettings())
    command = [inside("envoy", "_bin/envoy"), "--mode", "validate", "-c", path, "--disable-hot-restart"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "OK" in done.stdout
    warnings = [line for line in done.stderr.splitlines() if "[warning]" in line or "eprecated" in line]
    assert warnings == []


def test_what_is_written_is_the_configuration_and_its_descriptors(tmp_path, config):
    path = write(tmp_path, UPSTREAMS, GatewaySettings())
    written = json.loads(path.read_text())
    assert filters(written)["grpc_json_transcoder"]["proto_descriptor"] == str(tmp_path / "contracts.binpb")
    assert (tmp_path / "contracts.binpb").read_bytes() == contracts.descriptor_set()
    assert clusters(written).keys() == clusters(config).keys()


def test_every_domain_has_a_cluster_and_only_known_ones_an_address(config):
    domains = {contract.domain for contract in contracts.installed()}
    assert set(clusters(config)) == domains | {"nowhere"}
    addressed = {
        name for name, cluster in clusters(config).items() if cluster.get("load_assignment", {}).get("endpoints")
    }
    assert addressed == {"dns", "tenants"} & domains


def test_names_are_resolved_and_addresses_are_not(config):
    assert clusters(config)["dns"]["type"] == "STATIC"
    assert not Upstream("tenants", "tenants.mesh.svc", 1).is_address
    assert Upstream("tenants", "::1", 1).is_address


def test_the_pages_of_envoy_itself_are_on_loopback_only(tmp_path):
    settings = GatewaySettings(host="0.0.0.0")  # noqa: S104 - what a container is told
    config = bootstrap(UPSTREAMS, settings, tmp_path)
    assert config["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"
    listener = config["static_resources"]["listeners"][0]["address"]["socket_address"]
    assert listener["address"] == "0.0.0.0"  # noqa: S104 - the same


def test_only_what_may_be_repeated_is_repeated(config):
    repeatable = route(config, "EnsureRecord")["route"]["retry_policy"]["retry_on"].split(",")
    assert "unavailable" in repeatable
    for one in routes(config):
        prefix = one["match"].get("prefix", "")
        if prefix.startswith("/tenantmesh."):
            assert "unavailable" not in one["route"]["retry_policy"]["retry_on"].split(",")


def test_a_stream_has_no_end_but_its_own(config):
    stream = route(config, "VerifyRecord")["route"]
    assert (stream["timeout"], stream["idle_timeout"]) == ("0s", "300s")
    assert "retry_policy" not in stream


def test_the_deadline_of_the_settings_is_the_one_services_hear_of(tmp_path):
    config = bootstrap(UPSTREAMS, GatewaySettings(timeout=timedelta(milliseconds=1500)), tmp_path)
    one = route(config, "GetRecord")
    assert one["route"]["timeout"] == "1.5s"
    assert one["request_headers_to_add"][0]["header"] == {"key": "grpc-timeout", "value": "1500m"}


def test_the_filters_stand_in_the_order_that_makes_them_work(config):
    assert list(filters(config)) == [
        "cors",
        "local_ratelimit",
        "grpc_web",
        "grpc_json_transcoder",
        "grpc_stats",
        "router",
    ]


def test_the_json_mapping_is_the_decided_one(config):
    transcoder = filters(config)["grpc_json_transcoder"]
    assert transcoder["print_options"] == {
        "preserve_proto_field_names": False,
        "always_print_enums_as_ints": False,
        "always_print_primitive_fields": True,
        "stream_newline_delimited": True,
    }
    assert all(transcoder["request_validation_options"].values())
    assert "ignore_unknown_query_parameters" not in transcoder
    assert transcoder["services"] == [contract.name for contract in contracts.installed()]


def test_only_named_origins_may_call(config):
    policy = manager(config)["route_config"]["virtual_hosts"][0]["typed_per_filter_config"]["envoy.filters.http.cors"]
    assert policy["allow_origin_string_match"] == [{"exact": "https://console.example.com"}]


def test_requests_are_limited(tmp_path):
    config = bootstrap(UPSTREAMS, GatewaySettings(rate=7, burst=9), tmp_path)
    bucket = filters(config)["local_ratelimit"]["token_bucket"]
    assert bucket == {"max_tokens": 9, "tokens_per_fill": 7, "fill_interval": "1s"}


def test_methods_are_counted_one_by_one_and_made_up_ones_together(config):
    stats = filters(config)["grpc_stats"]
    listed = {one["name"]: one["method_names"] for one in stats["individual_method_stats_allowlist"]["services"]}
    assert "EnsureRecord" in listed["tenantmesh.dns.v1.DnsService"]
    assert "stats_for_all_methods" not in stats
