"""The routes: by gRPC method, because a JSON request has become a gRPC one before it is routed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from envoyconfig.contracts import Contract
from envoyconfig.settings import GatewaySettings

NOWHERE = "nowhere"
"""The cluster of requests that no service serves. It has no address."""

# The request never reached a handler, so that any may be sent again.
UNSEEN = "connect-failure,refused-stream,reset-before-request"
REPEATABLE = f"{UNSEEN},unavailable,reset"
ATTEMPTS_AFTER_THE_FIRST = 2


def route_configuration(contracts: Iterable[Contract], settings: GatewaySettings) -> dict[str, Any]:
    """All routes, and a plain answer for everything else."""
    return {
        "name": "mesh",
        "virtual_hosts": [
            {
                "name": "mesh",
                "domains": ["*"],
                "typed_per_filter_config": {"envoy.filters.http.cors": cors(settings)},
                "routes": [*(route for contract in contracts for route in _routes(contract, settings)), *_otherwise()],
            }
        ],
    }


def _otherwise() -> Iterator[dict[str, Any]]:
    """Every other path. No request is sent on by these routes."""
    yield {"match": {"prefix": "/", "grpc": {}}, "direct_response": {"status": 404}}
    # Before a JSON request is translated no route has its path, and the rules for origins are found by route. A path
    # that no method has does not get past the translation.
    yield {"match": {"prefix": "/"}, "route": {"cluster": NOWHERE}}


def cors(settings: GatewaySettings) -> dict[str, Any]:
    """Which pages may call, and what they may see."""
    everyone = {"safe_regex": {"regex": ".*"}}
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [everyone if one == "*" else {"exact": one} for one in settings.origins],
        "allow_methods": "GET, POST, PUT, PATCH, DELETE",
        "allow_headers": "authorization, content-type, grpc-timeout, traceparent, x-grpc-web, x-user-agent",
        "expose_headers": "grpc-status, grpc-message, grpc-status-details-bin, x-request-id, retry-after",
        "max_age": "600",
    }


def _routes(contract: Contract, settings: GatewaySettings) -> Iterator[dict[str, Any]]:
    """The particular first: what streams and what may be repeated, each method by its path; then the rest."""
    for method in contract.streaming:
        yield {"match": {"path": f"/{contract.name}/{method}"}, "route": _streaming(contract, settings)}
    for method in contract.repeatable:
        yield {"match": {"path": f"/{contract.name}/{method}"}, **_unary(contract, settings, REPEATABLE)}
    yield {"match": {"prefix": f"/{contract.name}/"}, **_unary(contract, settings, UNSEEN)}


def _unary(contract: Contract, settings: GatewaySettings, retry_on: str) -> dict[str, Any]:
    return {
        "route": {
            "cluster": contract.domain,
            "timeout": seconds(settings.timeout),
            # A gRPC client's own deadline counts instead, up to the latest that is allowed.
            "max_stream_duration": {"grpc_timeout_header_max": seconds(settings.longest)},
            "retry_policy": {
                "retry_on": retry_on,
                "num_retries": ATTEMPTS_AFTER_THE_FIRST,
                "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
            },
        },
        # A JSON client sends no deadline: the service shall know the one that the gateway keeps.
        "request_headers_to_add": [
            {
                "header": {"key": "grpc-timeout", "value": f"{settings.timeout // timedelta(milliseconds=1)}m"},
                "append_action": "ADD_IF_ABSENT",
            }
        ],
    }


def _streaming(contract: Contract, settings: GatewaySettings) -> dict[str, Any]:
    """A stream ends when its client, its service or its own deadline says so, or when it has been silent for long."""
    return {"cluster": contract.domain, "timeout": "0s", "idle_timeout": seconds(settings.longest)}


def seconds(span: timedelta) -> str:
    """A duration as Envoy writes it."""
    return f"{span.total_seconds():g}s"
