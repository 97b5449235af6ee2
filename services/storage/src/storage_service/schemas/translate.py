"""Between the messages of the contract and the words of the domain. Pure, both ways."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from storage_service.schemas.model import Connection, Limits, Position, Schema, Seed, Stamp, Tenant, Tier
from tenantmesh.common.v1 import ownership_pb2, tier_pb2
from tenantmesh.storage.v1 import schema_password_pb2, schema_pb2


class OfTenant(Protocol):
    """Any request about one tenant."""

    tenant_id: str
    tenant_key: str
    tier: tier_pb2.Tier.ValueType


def tenant_from(request: OfTenant) -> Tenant:
    """Whose place a request is about."""
    tier = tier_pb2.Tier.Name(request.tier).removeprefix("TIER_")
    return Tenant(request.tenant_id, request.tenant_key, Tier[tier])


def limits_from(request: schema_pb2.EnsureSchemaRequest) -> Limits:
    """What the tenant may take, as far as the caller says."""
    limits = request.limits
    return Limits(
        limits.max_connections or None,
        _span_from(limits.statement_timeout),
        _span_from(limits.idle_in_transaction_timeout),
    )


def schema_to(schema: Schema) -> schema_pb2.Schema:
    """A place as callers see it."""
    location, record = schema.location, schema.record
    return schema_pb2.Schema(
        name=location.schema,
        tenant_key=record.tenant.key,
        tier=tier_to(record.tenant.tier),
        server=location.server,
        database=location.database,
        own_database=location.own_database,
        role=location.role,
        password_claimable=bool(location.role) and record.hand_over.claimable,
        access_enabled=record.access_enabled,
        limits=_limits_to(record.limits),
        version=schema.version,
        seed=None if record.seed is None else seed_to(record.seed),
        bytes=schema.size,
        ownership=ownership_to(record.stamp),
        provider=schema.provider,
        create_time=time_to(record.stamp.time),
        update_time=time_to(record.update_time),
    )


def seed_to(seed: Seed) -> schema_pb2.SchemaSeed:
    """What a place was filled with, as callers see it."""
    return schema_pb2.SchemaSeed(
        template=seed.template,
        template_version=seed.version,
        sha256=seed.sha256,
        rows=seed.rows,
        seed_time=time_to(seed.time),
    )


def connection_to(connection: Connection) -> schema_password_pb2.ClaimSchemaPasswordResponse:
    """A password and where it is valid."""
    return schema_password_pb2.ClaimSchemaPasswordResponse(
        password=connection.password,
        host=connection.host,
        port=connection.port,
        database=connection.location.database,
        schema=connection.location.schema,
        role=connection.location.role,
    )


def ownership_to(stamp: Stamp) -> ownership_pb2.Ownership:
    """The stamp, as callers see it."""
    return ownership_pb2.Ownership(
        tenant_id=stamp.tenant_id, operation_id=stamp.operation_id, create_time=time_to(stamp.time)
    )


def tier_to(tier: Tier) -> tier_pb2.Tier.ValueType:
    """A tier, as callers see it."""
    return tier_pb2.Tier.Value(f"TIER_{tier.name}")


def time_to(time: datetime) -> Timestamp:
    """A moment, as callers see it."""
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp


def position_of(schema: Schema) -> Position:
    """Where a list goes on behind this place."""
    location = schema.location
    return Position(location.server, location.database, location.schema, schema.record.tenant.tenant_id)


def _limits_to(limits: Limits) -> schema_pb2.SchemaLimits:
    return schema_pb2.SchemaLimits(
        max_connections=limits.max_connections or 0,
        statement_timeout=_span_to(limits.statement_timeout),
        idle_in_transaction_timeout=_span_to(limits.idle_in_transaction_timeout),
    )


def _span_from(duration: Duration) -> timedelta | None:
    """A span in whole milliseconds, which is what a role can be told."""
    millisecond = timedelta(milliseconds=1)
    return duration.ToTimedelta() // millisecond * millisecond or None


def _span_to(span: timedelta | None) -> Duration | None:
    if span is None:
        return None
    duration = Duration()
    duration.FromTimedelta(span)
    return duration
