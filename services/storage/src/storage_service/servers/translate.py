"""Between the messages about servers and the words of the domain."""

from __future__ import annotations

from storage_service.servers.model import State
from tenantmesh.storage.v1 import database_server_pb2 as pb


def server_to(state: State, provider: str) -> pb.DatabaseServer:
    """A server as callers see it."""
    return pb.DatabaseServer(
        name=state.share.name,
        provider=provider,
        version=state.version,
        available=state.available,
        accepting=state.accepting,
        detail=state.detail or ("It holds as many schemas as it may." if state.full else ""),
        weight=state.share.weight,
        schema_count=state.schemas,
        schema_limit=state.share.limit,
        bytes=state.size,
    )
