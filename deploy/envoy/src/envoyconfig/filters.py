"""The HTTP filters, in the order that a request passes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from envoyconfig.contracts import Contract
from envoyconfig.settings import GatewaySettings

# What only the mesh itself may say. Services believe these, so they must not come from outside.
IDENTITY_HEADERS = (
    "x-tenant-id",
    "x-workflow-id",
    "x-principal",
    "x-forwarded-client-cert",
    "x-envoy-original-path",
    "x-envoy-original-method",
)

PACKAGE = "type.googleapis.com/envoy.extensions.filters.http"


def http_filters(contracts: Sequence[Contract], settings: GatewaySettings, descriptors: Path) -> list[dict[str, Any]]:
    """Origins first, so that every answer below carries their headers; then limits; then the translations."""
    return [
        _filter("cors", "Cors"),
        _filter("local_ratelimit", "LocalRateLimit", _rate_limit(settings)),
        _filter("grpc_web", "GrpcWeb"),
        _filter("grpc_json_transcoder", "GrpcJsonTranscoder", _transcoder(contracts, settings, descriptors)),
        _filter("grpc_stats", "FilterConfig", _stats(contracts)),
        _filter("router", "Router", {"suppress_envoy_headers": True}),
    ]


def strip_identity() -> dict[str, Any]:
    """Takes what a client says about whom it is off the request, before anything reads it."""
    package = "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3"
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": f"{package}.HeaderMutation",
            "mutations": [{"remove": header} for header in IDENTITY_HEADERS],
        },
    }


def _filter(name: str, message: str, config: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "name": f"envoy.filters.http.{name}",
        "typed_config": {"@type": f"{PACKAGE}.{name}.v3.{message}", **(config or {})},
    }


def _rate_limit(settings: GatewaySettings) -> dict[str, Any]:
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return {
        "stat_prefix": "gateway",
        "token_bucket": {"max_tokens": settings.burst, "tokens_per_fill": settings.rate, "fill_interval": "1s"},
        "filter_enabled": always,
        "filter_enforced": always,
        "rate_limited_as_resource_exhausted": True,
        "response_headers_to_add": [{"header": {"key": "retry-after", "value": "1"}}],
    }


def _stats(contracts: Iterable[Contract]) -> dict[str, Any]:
    """Counters a method, for the methods there are: what a client makes up is counted as one."""
    services = [{"name": contract.name, "method_names": list(contract.methods)} for contract in contracts]
    return {
        "individual_method_stats_allowlist": {"services": services},
        "emit_filter_state": True,
    }


def _transcoder(contracts: Iterable[Contract], settings: GatewaySettings, descriptors: Path) -> dict[str, Any]:
    return {
        "proto_descriptor": str(descriptors),
        "services": [contract.name for contract in contracts],
        "convert_grpc_status": True,
        "max_request_body_size": settings.body_limit,
        "max_response_body_size": settings.body_limit,
        "url_unescape_spec": "ALL_CHARACTERS_EXCEPT_RESERVED",
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
        # The canonical JSON of protobuf: camelCase names, enums by name; and what is default is written out, so that a
        # client sees every field there is.
        "print_options": {
            "preserve_proto_field_names": False,
            "always_print_enums_as_ints": False,
            "always_print_primitive_fields": True,
            "stream_newline_delimited": True,
        },
    }
