"""The RPCs of invitations: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import grpc

from chassis import context as calls
from pagekit import PageTokens
from postgreskit import Column, Order, Pages, Transaction
from tenantmesh.tenants.v1 import invitation_service_pb2 as pb
from tenantmesh.tenants.v1 import invitation_service_pb2_grpc as rpc
from tenants_service.invitations.model import Invitation, not_found, usable
from tenants_service.invitations.service import InvitationRecords
from tenants_service.invitations.store import InvitationStore, read, read_by_token, read_overdue, read_page
from tenants_service.invitations.translate import (
    invitation_to,
    name_from,
    offer_to,
    round_from,
    state_from,
    validated_to,
)
from tenants_service.keys.model import digest_of
from tenants_service.limits.model import Charge, Limit
from tenants_service.limits.store import Limiter
from tenants_service.limits.translate import Origins
from tenants_service.store import Records, Spend, seen_by
from tenants_service.tenants.store import TenantStore
from tenants_service.tenants.store import read as read_tenant
from tenants_service.translate import id_from

Context = grpc.aio.ServicerContext[Any, Any]

_ORDER: Order = (Column("create_time", descending=True), Column("invitation_id", descending=True))
_DUE: Order = (Column("remind_time"), Column("invitation_id"))
_DUE_AT = "state = 'PENDING' AND remind_time <= {0} AND reminder_time IS NULL AND expire_time > {0}"
_SWEPT = 500


class InvitationHandlers(rpc.InvitationServiceServicer):
    """InvitationService over the records."""

    def __init__(
        self,
        records: Records,
        tokens: PageTokens,
        *,
        limiter: Limiter,
        origins: Origins,
        network: Limit,
        clock: Callable[[], datetime],
    ) -> None:
        self._records = records
        self._pages = Pages(tokens, "tenants.ListInvitations", default=100, limit=500)
        self._due = Pages(tokens, "tenants.ListDueReminders", default=100, limit=500)
        self._limiter = limiter
        self._origins = origins
        self._network = network
        self._clock = clock

    async def CreateInvitations(
        self, request: pb.CreateInvitationsRequest, context: Context
    ) -> pb.CreateInvitationsResponse:
        """Invite people."""
        call = calls.current()
        wanted = round_from(request, call.principal.name if call and call.principal else "")

        async def work(tx: Transaction) -> pb.CreateInvitationsResponse:
            offers = await self._invitations(tx, request.tenant_id).create(wanted)
            told = not request.validate_only
            return pb.CreateInvitationsResponse(invitations=[offer_to(one, told=told) for one in offers])

        return await self._records.write(request, pb.CreateInvitationsResponse, work, tenant_id=request.tenant_id)

    async def GetInvitation(self, request: pb.GetInvitationRequest, context: Context) -> pb.GetInvitationResponse:
        """Read an invitation."""
        invitation_id = UUID(request.invitation_id)
        async with self._records.of(request.tenant_id) as tx:
            invitation = _found(await read(tx, UUID(request.tenant_id), invitation_id), invitation_id)
        return pb.GetInvitationResponse(invitation=invitation_to(invitation))

    async def ListInvitations(self, request: pb.ListInvitationsRequest, context: Context) -> pb.ListInvitationsResponse:
        """List the invitations of a tenant, the newest first."""
        wanted = {
            "tenant_id = {}": UUID(request.tenant_id),
            "state = {}": state_from(request.state),
            "operation_id = {}": request.operation_id,
            "email = {}": request.email.strip().lower(),
        }
        scope = [str(value) for value in wanted.values()]
        page = self._pages.open(size=request.page_size, token=request.page_token, order=_ORDER, scope=scope)
        async with self._records.of(request.tenant_id) as tx:
            invitations, token = await read_page(tx, page, wanted)
        return pb.ListInvitationsResponse(invitations=map(invitation_to, invitations), next_page_token=token)

    async def ValidateInvitation(
        self, request: pb.ValidateInvitationRequest, context: Context
    ) -> pb.ValidateInvitationResponse:
        """Say what a token is good for."""
        async with self._records.session() as session:
            await self._limit(context)(session)
        async with self._records.of_all() as tx:
            invitation = _found(await read_by_token(tx, digest_of(request.token)))
            tenant = await read_tenant(tx, invitation.tenant_id)
        return validated_to(usable(invitation, self._clock()), tenant)

    async def AcceptInvitation(
        self, request: pb.AcceptInvitationRequest, context: Context
    ) -> pb.AcceptInvitationResponse:
        """Take an invitation up."""
        names = {name: name_from(getattr(request, name), name) for name in ("first_name", "last_name")}

        async def work(tx: Transaction) -> pb.AcceptInvitationResponse:
            async with self._records.everybodys(tx):
                found = _found(await read_by_token(tx, digest_of(request.token)))
            async with seen_by(tx, found.tenant_id):
                invitations = self._invitations(tx, found.tenant_id)
                invitation = await invitations.accept(found.invitation_id, request.token, **names)
            return pb.AcceptInvitationResponse(invitation=invitation_to(invitation))

        return await self._records.write(request, pb.AcceptInvitationResponse, work, limit=self._limit(context))

    async def ResendInvitation(
        self, request: pb.ResendInvitationRequest, context: Context
    ) -> pb.ResendInvitationResponse:
        """Make a new token."""

        async def work(tx: Transaction) -> pb.ResendInvitationResponse:
            offer = await self._invitations(tx, request.tenant_id).resend(UUID(request.invitation_id))
            return pb.ResendInvitationResponse(invitation=invitation_to(offer.invitation), token=offer.token)

        return await self._records.write(request, pb.ResendInvitationResponse, work, tenant_id=request.tenant_id)

    async def RemindInvitation(
        self, request: pb.RemindInvitationRequest, context: Context
    ) -> pb.RemindInvitationResponse:
        """Hand out the token for a reminder."""

        async def work(tx: Transaction) -> pb.RemindInvitationResponse:
            offer = await self._invitations(tx, request.tenant_id).remind(UUID(request.invitation_id))
            return pb.RemindInvitationResponse(invitation=invitation_to(offer.invitation), token=offer.token)

        return await self._records.write(request, pb.RemindInvitationResponse, work, tenant_id=request.tenant_id)

    async def RevokeInvitations(
        self, request: pb.RevokeInvitationsRequest, context: Context
    ) -> pb.RevokeInvitationsResponse:
        """Take invitations back."""
        named = [UUID(one) for one in request.invitation_ids]

        async def work(tx: Transaction) -> pb.RevokeInvitationsResponse:
            invitations = self._invitations(tx, request.tenant_id)
            revoked = await invitations.revoke(named, request.operation_id, request.reason)
            return pb.RevokeInvitationsResponse(revoked_count=revoked)

        return await self._records.write(request, pb.RevokeInvitationsResponse, work, tenant_id=request.tenant_id)

    async def ExpireInvitations(
        self, request: pb.ExpireInvitationsRequest, context: Context
    ) -> pb.ExpireInvitationsResponse:
        """Mark what has waited too long."""
        limit = request.limit or _SWEPT

        async def work(tx: Transaction) -> pb.ExpireInvitationsResponse:
            async with self._records.everybodys(tx):
                late = await read_overdue(tx, self._clock(), limit + 1, id_from(request.tenant_id))
            expired = 0
            for tenant_id, found in groupby(sorted(late[:limit]), key=lambda one: one[0]):
                async with seen_by(tx, tenant_id):
                    expired += await self._invitations(tx, tenant_id).expire([one for _, one in found])
            return pb.ExpireInvitationsResponse(expired_count=expired, more=len(late) > limit)

        return await self._records.write(request, pb.ExpireInvitationsResponse, work, tenant_id=request.tenant_id)

    async def ListDueReminders(
        self, request: pb.ListDueRemindersRequest, context: Context
    ) -> pb.ListDueRemindersResponse:
        """List whose reminder is due."""
        page = self._due.open(size=request.page_size, token=request.page_token, order=_DUE, scope=[request.tenant_id])
        wanted = {_DUE_AT: self._clock(), "tenant_id = {}": id_from(request.tenant_id)}
        async with self._records.of_one_or_all(request.tenant_id) as tx:
            invitations, token = await read_page(tx, page, wanted)
        return pb.ListDueRemindersResponse(invitations=map(invitation_to, invitations), next_page_token=token)

    def _limit(self, context: Context) -> Spend:
        charge = Charge(self._network, self._origins.network_of(context), "network")
        return lambda session: self._limiter.spend(session, [charge])

    def _invitations(self, tx: Transaction, tenant_id: str | UUID) -> InvitationRecords:
        tenant = tenant_id if isinstance(tenant_id, UUID) else UUID(tenant_id)
        store = InvitationStore(tx, tenant)
        return InvitationRecords(tenant, store, TenantStore(tx, self._records), now=self._clock())


def _found(invitation: Invitation | None, invitation_id: UUID | None = None) -> Invitation:
    if invitation is None:
        raise not_found(invitation_id)
    return invitation
