"""What gRPC itself is told about a channel: which calls to repeat, how to balance, when a connection is dead."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from chassis.client.settings import ClientSettings

_REPEATABLE: Final = frozenset({MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT})
_BACKOFF: Final = {"initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 2}
# When half of so many tokens are gone nothing is repeated: a target that is down is not helped by four times the load.
_THROTTLING: Final = {"maxTokens": 100, "tokenRatio": 0.1}


def options(methods: Iterable[str], settings: ClientSettings) -> list[tuple[str, str | int]]:
    """The arguments of a channel that will call these methods, named as on the wire."""
    named: list[tuple[str, str | int]] = [
        ("grpc.service_config", service_config(methods, settings.attempts)),
        # Without a pool of its own a channel shares its connections with every other channel to the same address.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.keepalive_time_ms", int(settings.keepalive.total_seconds() * 1000)),
        ("grpc.keepalive_timeout_ms", 5000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 5000),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
    ]
    if settings.tls.server_name:
        named.append(("grpc.ssl_target_name_override", settings.tls.server_name))
    return named


def service_config(methods: Iterable[str], attempts: int) -> str:
    """The service config of a channel.

    It never has a `timeout`: gRPC ends such a call at once when it is below 2 s, and never tells the server of it.
    """
    config: dict[str, Any] = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": ""},
    }
    repeated = [name for name in map(_name, sorted(methods)) if repeatable(**name)]
    if repeated and attempts > 1:
        policy = {"maxAttempts": attempts, "retryableStatusCodes": ["UNAVAILABLE"], **_BACKOFF}
        config |= {"methodConfig": [{"name": repeated, "retryPolicy": policy}], "retryThrottling": _THROTTLING}
    return json.dumps(config)


def repeatable(service: str, method: str) -> bool:
    """Whether the contract of a method says that calling it twice is as good as once."""
    try:
        descriptor: MethodDescriptor = descriptor_pool.Default().FindMethodByName(f"{service}.{method}")
    except KeyError:  # called without its contract
        return False
    return descriptor.GetOptions().idempotency_level in _REPEATABLE


def _name(path: str) -> dict[str, str]:
    service, _, method = path.removeprefix("/").partition("/")
    return {"service": service, "method": method}
