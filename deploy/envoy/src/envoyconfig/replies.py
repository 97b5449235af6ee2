"""What the gateway answers itself: in JSON, and in the form that the services' errors have."""

from __future__ import annotations

from typing import Any

DOMAIN = "gateway.tenantmesh"
NEUTRAL = "the gateway could not serve the request"

# HTTP status: (gRPC code, reason, message)
REPLIES = {
    400: (3, "REQUEST_INVALID", "%LOCAL_REPLY_BODY%"),
    404: (12, "ROUTE_UNKNOWN", "no method is served at this path"),
    405: (12, "ROUTE_UNKNOWN", "no method is served at this path"),
    408: (4, "DEADLINE_EXCEEDED", "the request did not arrive in time"),
    413: (8, "MESSAGE_TOO_LARGE", "the body is larger than the gateway accepts"),
    415: (3, "REQUEST_MALFORMED", "%LOCAL_REPLY_BODY%"),
    429: (8, "OVERLOADED", "the gateway lets in no more requests now"),
    431: (8, "MESSAGE_TOO_LARGE", "the headers are larger than the gateway accepts"),
    502: (14, "SERVICE_UNAVAILABLE", "the service sent no answer that can be understood"),
    503: (14, "SERVICE_UNAVAILABLE", "the service cannot be reached"),
    504: (4, "DEADLINE_EXCEEDED", "the service did not answer in time"),
}


def local_replies() -> dict[str, Any]:
    """One mapping for each status the gateway itself may answer. A gRPC client gets the message alone."""
    grpc = {"filter": _grpc_client(), "body_format_override": _text("%LOCAL_REPLY_BODY%")}
    mapped = [
        {"filter": _status(status), "body_format_override": _json(code, reason, message)}
        for status, (code, reason, message) in REPLIES.items()
    ]
    return {"mappers": [grpc, *mapped], "body_format": _json(2, "UNEXPECTED", NEUTRAL)}


def _json(code: int, reason: str, message: str) -> dict[str, Any]:
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": DOMAIN,
        "metadata": {"request_id": "%REQ(X-REQUEST-ID)%"},
    }
    body = {"code": code, "message": message, "details": [detail]}
    return {"json_format": body, "content_type": "application/json"}


def _text(text: str) -> dict[str, Any]:
    return {"text_format_source": {"inline_string": text}}


def _status(status: int) -> dict[str, Any]:
    comparison = {"op": "EQ", "value": {"default_value": status, "runtime_key": f"gateway.reply_{status}"}}
    return {"status_code_filter": {"comparison": comparison}}


def _grpc_client() -> dict[str, Any]:
    """Whether the client speaks gRPC. A translated request looks like it does, but remembers its first path."""
    grpc = {"header": {"name": "content-type", "string_match": {"prefix": "application/grpc"}}}
    translated = {"header": {"name": "x-envoy-original-path", "present_match": True, "invert_match": True}}
    return {"and_filter": {"filters": [{"header_filter": grpc}, {"header_filter": translated}]}}
