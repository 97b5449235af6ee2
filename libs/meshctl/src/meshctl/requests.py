"""What every client of the mesh does with a request, whether it waits in a thread or in an event loop."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final, TypeAlias, TypeVar
from uuid import uuid4

from google.protobuf.message import Message

from faults import Fault, Kind
from tenantmesh.provisioning.v1 import deprovision_requests_pb2 as deprovision_pb
from tenantmesh.provisioning.v1 import organization_requests_pb2 as organization_pb
from tenantmesh.provisioning.v1 import tenant_requests_pb2 as tenant_pb

StartRequest: TypeAlias = (
    tenant_pb.ProvisionTenantRequest
    | tenant_pb.DeployTenantRequest
    | tenant_pb.SuspendTenantRequest
    | tenant_pb.ResumeTenantRequest
    | tenant_pb.ChangeTierRequest
    | tenant_pb.ExportTenantRequest
    | tenant_pb.RepairTenantRequest
    | deprovision_pb.DeprovisionTenantRequest
    | organization_pb.BootstrapOrganizationRequest
    | organization_pb.InviteUserRequest
    | organization_pb.ConfigureSsoRequest
)
"""A request that starts an operation."""

_Request = TypeVar("_Request", bound=Message)

PASSING: Final = frozenset({Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.ABORTED, Kind.EXHAUSTED})
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


def rpc_of(request: StartRequest) -> str:
    """The RPC a request belongs to."""
    return type(request).__name__.removesuffix("Request")


def repeatable(request: _Request) -> _Request:
    """The request with an id, where it has none, so that a repeat after a lost answer does nothing twice."""
    return _merged(request, request_id=str(uuid4()))


def only_planned(request: _Request) -> _Request:
    """The request for the plan alone."""
    return _merged(request, validate_only=True)


def _merged(request: _Request, **fields: object) -> _Request:
    copy = type(request)(**fields)
    copy.MergeFrom(request)  # what it says itself wins
    return copy


class Patience:
    """How long to keep asking while nothing answers: longer pauses each time, and an end."""

    def __init__(self, limit: timedelta) -> None:
        self._limit = limit.total_seconds()
        self.answered()

    def answered(self) -> None:
        """Something came: begin anew."""
        self._pause = _FIRST_PAUSE
        self._until = time.monotonic() + self._limit

    def pause(self, fault: Fault | None = None) -> float:
        """How many seconds to wait before asking again after a break.

        Raises:
            Fault: the one given, when asking again is of no use, or nothing has answered for too long.
        """
        if fault is not None and (fault.kind not in PASSING or time.monotonic() >= self._until):
            raise fault
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        asked = fault.retry_after.total_seconds() if fault is not None and fault.retry_after else 0.0
        return max(pause, min(asked, _LONGEST_PAUSE))
