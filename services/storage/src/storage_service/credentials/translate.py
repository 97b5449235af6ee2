"""Between the messages about credentials and the words of the domain. Pure, both ways."""

from __future__ import annotations

from storage_service.buckets.model import Record
from storage_service.buckets.ports import Store
from storage_service.buckets.translate import owner_to, time_to
from storage_service.credentials.model import Access, Credentials, Key, State
from tenantmesh.storage.v1 import bucket_credentials_pb2 as pb


def access_from(access: pb.BucketAccess.ValueType) -> Access:
    """What credentials should allow."""
    return Access[pb.BucketAccess.Name(access).removeprefix("BUCKET_ACCESS_")]


def credentials_to(one: Credentials, state: State, record: Record, store: Store) -> pb.BucketCredentials:
    """Credentials as callers see them, without the secret."""
    return pb.BucketCredentials(
        credentials_id=one.credentials_id,
        access=pb.BucketAccess.Value(f"BUCKET_ACCESS_{one.access.name}"),
        state=pb.BucketCredentialsState.Value(f"BUCKET_CREDENTIALS_STATE_{state.name}"),
        access_key_id=one.access_key_id,
        bucket=record.place.bucket,
        prefix=record.place.prefix,
        replaces=one.replaces,
        ownership=owner_to(one.owner),
        provider=store.name,
        create_time=time_to(one.owner.time),
        claim_time=time_to(one.claim_time),
        expire_time=time_to(one.expire_time),
    )


def key_to(key: Key, record: Record, store: Store) -> pb.ClaimCredentialsResponse:
    """The key and where it opens what, as whoever claims it needs them."""
    return pb.ClaimCredentialsResponse(
        access_key_id=key.access_key_id,
        secret_access_key=key.secret,
        session_token=key.session_token,
        endpoint=store.endpoint,
        region=store.region,
        bucket=record.place.bucket,
        prefix=record.place.prefix,
        path_style=store.path_style,
        expire_time=time_to(key.expire_time),
    )
