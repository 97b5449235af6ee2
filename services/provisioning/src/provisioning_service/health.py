"""Whether operations can be started and are being worked on."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from google.protobuf.duration_pb2 import Duration

from faults import Fault
from provisioning_service.engine import Engine
from provisioning_service.model import Switch
from tenantmesh.provisioning.v1 import health_pb2
from tenantmesh.provisioning.v1.health_pb2 import DependencyHealth, Health
from tenantmesh.provisioning.v1.operation_pb2 import OperationKind

Check = Callable[[], Awaitable[None]]


class Examination:
    """Asks whoever operations depend on. What does not answer is part of the answer."""

    def __init__(self, engine: Engine, dependencies: Mapping[str, Check], switches: Sequence[Switch]) -> None:
        """Ask these."""
        self._engine = engine
        self._dependencies = dependencies
        self._switches = switches

    async def health(self, *, prove: bool) -> Health:
        """How healthy it is; with `prove`, by running the workflow that does nothing."""
        health = Health(
            dependencies=[await _asked(name, check) for name, check in self._dependencies.items()],
            switches=map(_switch, self._switches),
        )
        health.check_time.GetCurrentTime()
        try:
            health.queues.extend(await self._engine.queues())
            if prove:
                health.proof.CopyFrom(await self._engine.prove())
        except Fault as fault:
            health.details = fault.message
        health.status, health.details = _judged(health, proven=not prove or health.HasField("proof"))
        return health


def _judged(health: Health, *, proven: bool) -> tuple[health_pb2.Health.Status.ValueType, str]:
    away = [each.name for each in health.dependencies if not each.reachable]
    idle = [queue.name for queue in health.queues if not queue.workers]
    off = [switch.name for switch in health.switches if not switch.enabled]
    if away or not proven or (health.queues and len(idle) == len(health.queues)):
        return Health.STATUS_NOT_SERVING, f"Away: {', '.join(away)}." if away else health.details or "Nobody works."
    if idle or off:
        return Health.STATUS_DEGRADED, f"Nobody works on {', '.join(idle)}." if idle else f"Off: {', '.join(off)}."
    return Health.STATUS_SERVING, "Operations can be started and are being worked on."


async def _asked(name: str, check: Check) -> DependencyHealth:
    begun, reachable, details = time.monotonic(), True, ""
    try:
        await check()
    except Fault as fault:
        reachable, details = False, fault.message
    latency = Duration(nanos=min(int((time.monotonic() - begun) * 1e9), 999_999_999))
    return DependencyHealth(name=name, reachable=reachable, latency=latency, details=details)


def _switch(switch: Switch) -> health_pb2.Switch:
    kinds = [OperationKind.Value(f"OPERATION_KIND_{name}") for name in sorted(switch.kinds)]
    return health_pb2.Switch(name=switch.name, enabled=switch.enabled, kinds=kinds)
