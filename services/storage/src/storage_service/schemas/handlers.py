"""The RPCs of the contract: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import astuple
from typing import Any

import grpc

from chassis.context import current
from faults import Denied
from pagekit import PageTokens, page_size
from storage_service.exports import translate as exported
from storage_service.exports.service import Exports
from storage_service.rollouts import translate as rollout
from storage_service.rollouts.service import Rollouts
from storage_service.schemas import tokens
from storage_service.schemas.model import Position
from storage_service.schemas.service import Schemas, claim_not_found
from storage_service.schemas.translate import (
    connection_to,
    limits_from,
    position_of,
    schema_to,
    seed_to,
    tenant_from,
    time_to,
)
from storage_service.servers.ports import Servers
from storage_service.servers.translate import server_to
from tenantmesh.storage.v1 import database_server_pb2 as server_pb
from tenantmesh.storage.v1 import export_pb2 as export_pb
from tenantmesh.storage.v1 import migration_pb2 as migration_pb
from tenantmesh.storage.v1 import restore_pb2 as restore_pb
from tenantmesh.storage.v1 import schema_password_pb2 as password_pb
from tenantmesh.storage.v1 import schema_pb2 as pb
from tenantmesh.storage.v1 import schema_service_pb2_grpc as rpc

_PAGE_SIZE = 100
_PAGE_LIMIT = 500

Context = grpc.aio.ServicerContext[Any, Any]


class SchemaHandlers(rpc.SchemaServiceServicer):
    """SchemaService over whichever databases hold the tenants' places."""

    def __init__(
        self, schemas: Schemas, rollouts: Rollouts, exports: Exports, servers: Servers, page_tokens: PageTokens
    ) -> None:
        self._schemas = schemas
        self._exports = exports
        self._servers = servers
        self._rollouts = rollouts
        self._tokens = page_tokens

    async def EnsureSchema(self, request: pb.EnsureSchemaRequest, context: Context) -> pb.EnsureSchemaResponse:
        """Make a place, or confirm it."""
        schema, created = await self._schemas.ensure(
            tenant_from(request),
            operation_id=request.operation_id,
            limits=limits_from(request),
            server=request.server,
            validate_only=request.validate_only,
        )
        return pb.EnsureSchemaResponse(schema=schema_to(schema), created=created)

    async def SeedSchema(self, request: pb.SeedSchemaRequest, context: Context) -> pb.SeedSchemaResponse:
        """Fill a place from a template."""
        seed, created = await self._schemas.seed(
            tenant_from(request),
            template=request.template,
            variables=request.variables,
            validate_only=request.validate_only,
        )
        return pb.SeedSchemaResponse(seed=seed_to(seed), created=created)

    async def GetSchema(self, request: pb.GetSchemaRequest, context: Context) -> pb.GetSchemaResponse:
        """Read a place from its database."""
        return pb.GetSchemaResponse(schema=schema_to(await self._schemas.get(tenant_from(request))))

    async def ListSchemas(self, request: pb.ListSchemasRequest, context: Context) -> pb.ListSchemasResponse:
        """List what the mesh made."""
        scope = f"storage.ListSchemas|{request.tenant_id}|{request.operation_id}"
        size = page_size(request.page_size, default=_PAGE_SIZE, limit=_PAGE_LIMIT)
        position = self._tokens.open(request.page_token, scope=scope)
        found = await self._schemas.list(
            tenant_id=request.tenant_id,
            operation_id=request.operation_id,
            after=None if position is None else Position(*map(str, position)),
            size=size + 1,
        )
        token = self._tokens.sign(astuple(position_of(found[size - 1])), scope=scope) if len(found) > size else ""
        return pb.ListSchemasResponse(schemas=map(schema_to, found[:size]), next_page_token=token)

    async def SetSchemaAccess(self, request: pb.SetSchemaAccessRequest, context: Context) -> pb.SetSchemaAccessResponse:
        """Let a tenant reach its rows, or refuse it."""
        schema, changed, ended = await self._schemas.set_access(tenant_from(request), enabled=request.enabled)
        return pb.SetSchemaAccessResponse(schema=schema_to(schema), changed=changed, ended_connections=ended)

    async def DeleteSchema(self, request: pb.DeleteSchemaRequest, context: Context) -> pb.DeleteSchemaResponse:
        """Remove a place, or confirm that there is none."""
        tenant = tenant_from(request)
        if request.export_id:
            await self._exports.check_complete(tenant, request.export_id)
        existed = await self._schemas.delete(tenant, operation_id=request.operation_id)
        return pb.DeleteSchemaResponse(existed=existed)

    async def RotateSchemaPassword(
        self, request: password_pb.RotateSchemaPasswordRequest, context: Context
    ) -> password_pb.RotateSchemaPasswordResponse:
        """Let a new password be claimed."""
        schema, changed = await self._schemas.rotate(tenant_from(request), operation_id=request.operation_id)
        return password_pb.RotateSchemaPasswordResponse(schema=schema_to(schema), changed=changed)

    async def IssueSchemaClaim(
        self, request: password_pb.IssueSchemaClaimRequest, context: Context
    ) -> password_pb.IssueSchemaClaimResponse:
        """Make a claim token."""
        tenant = tenant_from(request)
        token = tokens.new_token(tenant)
        expire_time = await self._schemas.stage_claim(tenant, digest=tokens.digest_of(token))
        return password_pb.IssueSchemaClaimResponse(claim_token=token, expire_time=time_to(expire_time))

    async def ClaimSchemaPassword(
        self, request: password_pb.ClaimSchemaPasswordRequest, context: Context
    ) -> password_pb.ClaimSchemaPasswordResponse:
        """Set a new password and hand it over."""
        tenant = tokens.tenant_of(request.claim_token)
        if tenant is None:
            raise claim_not_found()
        digest = tokens.digest_of(request.claim_token)
        return connection_to(await self._schemas.claim(tenant, digest=digest, password=tokens.new_password()))

    async def MigrateSchemas(
        self, request: migration_pb.MigrateSchemasRequest, context: Context
    ) -> AsyncIterator[migration_pb.MigrateSchemasResponse]:
        """Bring schemas to a version, and stream what became of each."""
        steps = self._rollouts.migrate(
            rollout.whose_from(request),
            version=request.version,
            parallelism=request.parallelism or rollout.PARALLELISM,
            max_failures=request.max_failures,
            validate_only=request.validate_only,
        )
        async with aclosing(steps):
            async for progress in steps:
                yield rollout.progress_to(progress)

    async def ListMigrations(
        self, request: migration_pb.ListMigrationsRequest, context: Context
    ) -> migration_pb.ListMigrationsResponse:
        """List the migrations, and how each stands in one tenant's schema."""
        scope = f"storage.ListMigrations|{request.tenant_id}|{request.tenant_key}|{request.tier}"
        size = page_size(request.page_size, default=_PAGE_SIZE, limit=_PAGE_LIMIT)
        position = self._tokens.open(request.page_token, scope=scope)
        after = 0 if position is None else int(str(position[0]))
        found = [one for one in await self._rollouts.statuses(tenant_from(request)) if one.version > after]
        token = self._tokens.sign((found[size - 1].version,), scope=scope) if len(found) > size else ""
        return migration_pb.ListMigrationsResponse(
            migrations=map(rollout.status_to, found[:size]), next_page_token=token
        )

    async def ExportSchema(
        self, request: export_pb.ExportSchemaRequest, context: Context
    ) -> AsyncIterator[export_pb.ExportSchemaResponse]:
        """Take an export, and stream how far it is."""
        steps = self._exports.export(
            tenant_from(request),
            operation_id=request.operation_id,
            export_id=request.export_id,
            destination=exported.destination_from(request),
        )
        async with aclosing(steps):
            async for step in steps:
                yield exported.exported_to(step)

    async def GetExport(self, request: export_pb.GetExportRequest, context: Context) -> export_pb.GetExportResponse:
        """Read an export's manifest."""
        export = await self._exports.get(
            tenant_from(request), export_id=request.export_id, destination=exported.destination_from(request)
        )
        return export_pb.GetExportResponse(export=exported.export_to(export))

    async def ListExports(
        self, request: export_pb.ListExportsRequest, context: Context
    ) -> export_pb.ListExportsResponse:
        """List a tenant's exports."""
        scope = f"storage.ListExports|{request.tenant_id}|{request.tenant_key}|{request.tier}|{request.destination}"
        size = page_size(request.page_size, default=_PAGE_SIZE, limit=_PAGE_LIMIT)
        position = self._tokens.open(request.page_token, scope=scope)
        found = await self._exports.list(
            tenant_from(request),
            destination=exported.destination_from(request),
            after="" if position is None else str(position[0]),
            size=size + 1,
        )
        token = self._tokens.sign((found[size - 1].export_id,), scope=scope) if len(found) > size else ""
        return export_pb.ListExportsResponse(
            exports=[exported.export_to(one, brief=True) for one in found[:size]], next_page_token=token
        )

    async def PresignExport(
        self, request: export_pb.PresignExportRequest, context: Context
    ) -> export_pb.PresignExportResponse:
        """Make links to an export."""
        links, expire_time = await self._exports.links(
            tenant_from(request),
            export_id=request.export_id,
            destination=exported.destination_from(request),
            lifetime=exported.lifetime_from(request),
        )
        return export_pb.PresignExportResponse(
            links=[export_pb.ExportLink(key=key, url=url) for key, url in links], expire_time=time_to(expire_time)
        )

    async def DeleteExport(
        self, request: export_pb.DeleteExportRequest, context: Context
    ) -> export_pb.DeleteExportResponse:
        """Remove an export, or confirm that there is none."""
        existed = await self._exports.delete(
            tenant_from(request),
            export_id=request.export_id,
            destination=exported.destination_from(request),
            operation_id=request.operation_id,
        )
        return export_pb.DeleteExportResponse(existed=existed)

    async def RestoreSchema(
        self, request: restore_pb.RestoreSchemaRequest, context: Context
    ) -> AsyncIterator[restore_pb.RestoreSchemaResponse]:
        """Load an export, and stream how far it is."""
        source = exported.source_from(request)
        _check_may_name(source.tenant_id)
        steps = self._exports.restore(
            tenant_from(request),
            source=source,
            export_id=request.export_id,
            destination=exported.destination_from(request),
        )
        async with aclosing(steps):
            async for step in steps:
                yield exported.restored_to(step)

    async def GetPlacement(
        self, request: server_pb.GetPlacementRequest, context: Context
    ) -> server_pb.GetPlacementResponse:
        """Tell which server holds a place, or would take it now."""
        name, placed = await self._servers.placement(tenant_from(request))
        state = next(one for one in await self._servers.states() if one.share.name == name)
        return server_pb.GetPlacementResponse(server=server_to(state, self._servers.provider), placed=placed)

    async def ListDatabaseServers(
        self, request: server_pb.ListDatabaseServersRequest, context: Context
    ) -> server_pb.ListDatabaseServersResponse:
        """List the servers."""
        scope = "storage.ListDatabaseServers"
        size = page_size(request.page_size, default=_PAGE_SIZE, limit=_PAGE_LIMIT)
        position = self._tokens.open(request.page_token, scope=scope)
        after = "" if position is None else str(position[0])
        found = [one for one in await self._servers.states() if one.share.name > after]
        token = self._tokens.sign((found[size - 1].share.name,), scope=scope) if len(found) > size else ""
        return server_pb.ListDatabaseServersResponse(
            servers=[server_to(one, self._servers.provider) for one in found[:size]], next_page_token=token
        )


def _check_may_name(tenant_id: str) -> None:
    """The chassis holds a caller to its tenant in `tenant_id`; this holds it where another tenant is named beside."""
    call = current()
    bound = call.principal.tenant_id if call and call.principal else ""
    if bound not in {"", tenant_id}:
        raise Denied(
            "The caller acts for another tenant.",
            reason="TENANT_MISMATCH",
            facts={"tenant_id": tenant_id},
            domain="tenantmesh",
        )
