"""Clients as messages, and back."""

from __future__ import annotations

from identity_service.clients.model import Wish
from identity_service.model import Client, ClientType
from identity_service.translate import domains_from, owner_to, time_to
from tenantmesh.identity.v1 import client_pb2 as pb


def wish_from(request: pb.EnsureClientRequest) -> Wish:
    """What the client shall be like."""
    public = request.type == pb.CLIENT_TYPE_PUBLIC
    return Wish(
        request.name,
        request.display_name,
        ClientType.PUBLIC if public else ClientType.CONFIDENTIAL,
        domains_from(request.domains),
        tuple(request.redirect_uris),
        tuple(request.web_origins),
    )


def client_to(one: Client) -> pb.Client:
    """A client as callers see it: all but its secret."""
    return pb.Client(
        name=one.name,
        client_id=one.client_id,
        display_name=one.display_name,
        type=pb.ClientType.Value(f"CLIENT_TYPE_{one.type.name}"),
        redirect_uris=one.redirect_uris,
        web_origins=one.web_origins,
        enabled=one.enabled,
        secret_create_time=time_to(one.secret_create_time),
        previous_secret_expire_time=time_to(one.previous_secret_expire_time),
        ownership=owner_to(one.owner),
        provider=one.provider,
        provider_client_id=one.provider_id,
        create_time=time_to(one.create_time),
        update_time=time_to(one.update_time),
    )
