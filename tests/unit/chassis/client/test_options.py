import json
import time
from datetime import timedelta

import grpc
import pytest

from chassis.client import ClientSettings, ClientTlsSettings
from chassis.client.options import options, repeatable, service_config
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc

SERVICE = "tenantmesh.dns.v1.DnsService"
GET = f"/{SERVICE}/GetRecord"


@pytest.mark.parametrize(
    ("service", "method", "answer"),
    [
        (SERVICE, "GetRecord", True),  # NO_SIDE_EFFECTS
        (SERVICE, "EnsureRecord", True),  # IDEMPOTENT
        ("grpc.health.v1.Health", "Check", False),  # says nothing
        (SERVICE, "Nonsense", False),
        ("test.Service", "One", False),
        ("", "", False),
    ],
)
def test_only_what_its_contract_calls_safe_is_repeated(service, method, answer):
    assert repeatable(service, method) is answer


def test_the_config_names_exactly_the_methods_that_are_safe():
    config = json.loads(service_config({GET, "/test.Service/One"}, 3))
    (method,) = config["methodConfig"]
    assert method["name"] == [{"service": SERVICE, "method": "GetRecord"}]
    assert method["retryPolicy"]["maxAttempts"] == 3
    assert method["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert config["retryThrottling"]["maxTokens"] > 0


@pytest.mark.parametrize(("methods", "attempts"), [({GET}, 1), ({"/test.Service/One"}, 4), (set(), 4)])
def test_where_nothing_is_repeated_the_config_says_nothing_of_it(methods, attempts):
    config = json.loads(service_config(methods, attempts))
    assert config.keys() == {"loadBalancingConfig", "healthCheckConfig"}


def test_the_config_never_has_a_timeout():
    assert "timeout" not in service_config({GET}, 4)


def test_the_server_s_name_can_be_said():
    settings = ClientSettings(tls=ClientTlsSettings(enabled=True, server_name="dns"))
    assert ("grpc.ssl_target_name_override", "dns") in options([], settings)
    assert "grpc.ssl_target_name_override" not in dict(options([], ClientSettings()))


def test_sizes_and_times_reach_grpc_in_its_units():
    named = dict(options([], ClientSettings(max_message_bytes=2048, keepalive=timedelta(seconds=15))))
    assert named["grpc.max_receive_message_length"] == named["grpc.max_send_message_length"] == 2048
    assert named["grpc.keepalive_time_ms"] == 15_000


async def test_upstream_a_timeout_in_the_service_config_ends_calls_at_once(server):
    config = json.dumps({"methodConfig": [{"name": [{"service": SERVICE}], "timeout": "1.5s"}]})
    async with grpc.aio.insecure_channel(server.address, options=[("grpc.service_config", config)]) as channel:
        await channel.channel_ready()
        began = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rpc.DnsServiceStub(channel).GetRecord(pb.GetRecordRequest(name="slow"))
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - began < 1
