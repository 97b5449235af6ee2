"""The whole configuration of one gateway."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from envoyconfig import contracts
from envoyconfig.clusters import cluster, nowhere, socket_address
from envoyconfig.filters import http_filters, strip_identity
from envoyconfig.replies import local_replies
from envoyconfig.routes import route_configuration, seconds
from envoyconfig.settings import GatewaySettings, Upstream

CONFIG, DESCRIPTORS = "envoy.json", "contracts.binpb"
LOOPBACK = "127.0.0.1"

ACCESS_LOG = {
    "time": "%START_TIME%",
    "method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
    "path": "%PATH(NQ:ORIG_OR_PATH)%",
    "rpc": "%PATH(NQ:PATH)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "grpc_status": "%GRPC_STATUS(SNAKE_STRING)%",
    "flags": "%RESPONSE_FLAGS%",
    "why": "%RESPONSE_CODE_DETAILS%",
    "service": "%UPSTREAM_CLUSTER%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "milliseconds": "%DURATION%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "request_id": "%REQ(X-REQUEST-ID)%",
}

# Envoy's own labels for services and methods are cut at the first dots, and the name of a package has several.
STATS_TAGS: tuple[dict[str, str], ...] = (
    {"tag_name": "envoy.cluster_name"},
    {"tag_name": "envoy.http_conn_manager_prefix"},
    {"tag_name": "envoy.listener_address"},
    {"tag_name": "envoy.response_code"},
    {"tag_name": "envoy.response_code_class"},
    {"tag_name": "grpc_service", "regex": r"^cluster\.[^.]+\.grpc\.((tenantmesh\..+)\.)\w+\.\w+$"},
    {"tag_name": "grpc_method", "regex": r"^cluster\.[^.]+\.grpc\.tenantmesh\..+\.((\w+)\.)\w+$"},
)


def write(folder: Path, upstreams: Iterable[Upstream], settings: GatewaySettings) -> Path:
    """Write the configuration and the descriptors it needs into a folder, and return the configuration's path."""
    descriptors = folder / DESCRIPTORS
    descriptors.write_bytes(contracts.descriptor_set())
    path = folder / CONFIG
    path.write_text(json.dumps(bootstrap(upstreams, settings, descriptors), indent=2) + "\n")
    return path


def bootstrap(upstreams: Iterable[Upstream], settings: GatewaySettings, descriptors: Path) -> dict[str, Any]:
    """The configuration. Every contract is routed; where its process has no address, callers are told so."""
    known = {upstream.domain: upstream for upstream in upstreams}
    served = contracts.installed()
    domains = sorted({contract.domain for contract in served})
    return {
        "node": {"id": "gateway", "cluster": "tenantmesh"},
        "admin": {"address": socket_address(LOOPBACK, settings.admin_port)},
        "static_resources": {
            "listeners": [_listener(served, settings, descriptors)],
            "clusters": [*(cluster(domain, known.get(domain)) for domain in domains), nowhere()],
        },
        "stats_config": {"use_all_default_tags": False, "stats_tags": list(STATS_TAGS)},
        "overload_manager": {"resource_monitors": [_connection_limit()]},
    }


def _listener(served: list[contracts.Contract], settings: GatewaySettings, descriptors: Path) -> dict[str, Any]:
    return {
        "name": "mesh",
        "address": socket_address(settings.host, settings.port),
        "per_connection_buffer_limit_bytes": settings.body_limit,
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": _connection_manager(served, settings, descriptors),
                    }
                ]
            }
        ],
    }


def _connection_manager(
    served: list[contracts.Contract], settings: GatewaySettings, descriptors: Path
) -> dict[str, Any]:
    package = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
    return {
        "@type": f"{package}.HttpConnectionManager",
        "stat_prefix": "gateway",
        "server_name": "tenantmesh",
        # The gateway is the edge: what a client says about whom it speaks for is not believed.
        "use_remote_address": True,
        "early_header_mutation_extensions": [strip_identity()],
        "forward_client_cert_details": "SANITIZE",
        "generate_request_id": True,
        "always_set_request_id_in_response": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "common_http_protocol_options": {"idle_timeout": "900s", "headers_with_underscores_action": "REJECT_REQUEST"},
        "http2_protocol_options": {"max_concurrent_streams": 1000},
        "request_headers_timeout": "10s",
        "stream_idle_timeout": seconds(settings.longest),
        "access_log": [_access_log()],
        "local_reply_config": local_replies(),
        "route_config": route_configuration(served, settings),
        "http_filters": http_filters(served, settings, descriptors),
    }


def _access_log() -> dict[str, Any]:
    return {
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"json_format": ACCESS_LOG},
        },
    }


def _connection_limit() -> dict[str, Any]:
    name = "envoy.resource_monitors.global_downstream_max_connections"
    package = "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3"
    return {
        "name": name,
        "typed_config": {
            "@type": f"{package}.DownstreamConnectionsConfig",
            "max_active_downstream_connections": 20_000,
        },
    }
