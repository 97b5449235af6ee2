"""One Envoy cluster for each process of the mesh."""

from __future__ import annotations

from typing import Any

from envoyconfig.routes import NOWHERE
from envoyconfig.settings import Upstream

HTTP_OPTIONS = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

MAX_REQUESTS = 1024


def cluster(domain: str, upstream: Upstream | None) -> dict[str, Any]:
    """The cluster of one process: healthy by its own word, left alone when it fails, never flooded."""
    return {
        "name": domain,
        "type": "STRICT_DNS" if upstream and not upstream.is_address else "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        # With every replica unhealthy the caller is told so at once; nothing is sent to them in the hope that it works.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": HTTP_OPTIONS,
                "explicit_http_config": {
                    "http2_protocol_options": {"connection_keepalive": {"interval": "30s", "timeout": "5s"}}
                },
            }
        },
        "health_checks": [_health_check()],
        "outlier_detection": {
            "consecutive_gateway_failure": 5,
            "enforcing_consecutive_gateway_failure": 100,
            "enforcing_consecutive_5xx": 0,  # an error that a service answers is no sign of a broken replica
            "interval": "5s",
            "base_ejection_time": "10s",
            "max_ejection_percent": 50,
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    "priority": "DEFAULT",
                    "max_requests": MAX_REQUESTS,
                    "max_pending_requests": MAX_REQUESTS,
                    "retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 3},
                }
            ]
        },
        "load_assignment": {
            "cluster_name": domain,
            "endpoints": [{"lb_endpoints": [_endpoint(upstream)]}] if upstream else [],
        },
    }


def nowhere() -> dict[str, Any]:
    """The cluster without an address."""
    return {"name": NOWHERE, "type": "STATIC"}


def socket_address(host: str, port: int) -> dict[str, Any]:
    """An address in Envoy's form."""
    return {"socket_address": {"address": host, "port_value": port}}


def _endpoint(upstream: Upstream) -> dict[str, Any]:
    return {"endpoint": {"address": socket_address(upstream.host, upstream.port)}}


def _health_check() -> dict[str, Any]:
    return {
        "timeout": "3s",
        "interval": "2s",
        "no_traffic_interval": "2s",  # the default, a minute, is how long a service would stay unknown after its start
        "no_traffic_healthy_interval": "5s",
        "unhealthy_interval": "1s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "grpc_health_check": {},
    }
