"""The crash matrix: every step, every way a call goes wrong, once and for good. What must be true afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowUpdateFailedError
from tests.fixtures.memorymesh import SOON, Hanging, Trouble, fails_after, fails_before, refused, unavailable
from tests.integration.worker.conftest import Provisioning

import faults
from tenantmesh.provisioning.v1 import provision_tenant_pb2 as pb
from tenantmesh.provisioning.v1.commands_pb2 import Cancellation

METHODS = {
    "validate": "GetTenant", "mark_provisioning": "TransitionTenant", "organization": "EnsureOrganization",
    "client": "EnsureClient", "admin_user": "EnsureUser", "admin_role": "AssignRole", "schema": "EnsureSchema",
    "seed": "SeedSchema", "bucket": "EnsureBucket", "infrastructure": "EnsureStack", "deployment": "EnsureDeployment",
    "dns_record": "EnsureRecord", "dns_verified": "VerifyRecord", "resource_records": "RecordResources",
    "activate": "TransitionTenant", "welcome": "SendNotification",
}  # fmt: skip
"""What each step calls."""
SIDE_BY_SIDE = frozenset(
    {"organization", "client", "admin_user", "admin_role", "schema", "seed", "bucket", "infrastructure"}
)
BEFORE_ANYTHING = frozenset({"validate"})
TOO_LATE = frozenset({"activate", "welcome"})
MOST_ATTEMPTS = 5


def timed_out() -> faults.Fault:
    """No answer came in time; whether it worked, nobody can say."""
    return faults.Timeout("Too slow.", reason="DEADLINE_EXCEEDED", domain="test", retry_after=SOON)


WAYS: dict[str, Callable[[], list[Trouble]]] = {
    "fails before, transient": lambda: [fails_before(unavailable)],
    "fails before, permanent": lambda: [fails_before(refused)],
    "fails after its effect, transient": lambda: [fails_after(unavailable)],
    "fails after its effect, permanent": lambda: [fails_after(refused)],
    "reply lost, transient": lambda: [fails_after(unavailable)] * 2,
    "reply lost, permanent": lambda: [fails_after(unavailable)] * MOST_ATTEMPTS,
    "times out, transient": lambda: [fails_before(timed_out), fails_after(timed_out)],
    "times out, permanent": lambda: [fails_after(timed_out)] * MOST_ATTEMPTS,
    "cancelled before its effect": lambda: [Hanging()],
    "cancelled after its effect": lambda: [Hanging(after_effect=True)],
}


@dataclass(slots=True)
class Tally:
    """What came of the cases of one way."""

    run: int = 0
    passed: int = 0
    leftovers: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"run {self.run:>3}   passed {self.passed:>3}   leftovers {self.leftovers:>2}"


async def tried(make: Callable[[], Provisioning], way: str, *, at_once: bool) -> Tally:
    """Every step, one tenant each."""
    tally = Tally()
    if at_once:
        await asyncio.gather(*(_case(make(), way, step, tally) for step in METHODS))
    else:
        for step in METHODS:
            await _case(make(), way, step, tally)
    return tally


async def _case(one: Provisioning, way: str, step: str, tally: Tally) -> None:
    tally.run += 1
    troubles = WAYS[way]()
    passing: list[Trouble] = [_pass] if step == "activate" else []
    one.mesh.misbehave(METHODS[step], one.tenant_id, *passing, *troubles)
    handle = await one.start(infrastructure=True)
    if way.startswith("cancelled"):
        await _cancel(handle, troubles[0], step)
    closed = await _closed(handle)
    async with asyncio.timeout(60):
        result = await closed.memo_value("result", None, type_hint=pb.ProvisionTenantResult)
    problems = list(_problems(one, way, step, closed.status, result))
    if one.state != "ACTIVE":
        tally.leftovers += len(one.left)
    tally.passed += not problems
    tally.wrong += [f"{way} at {step}: {problem}" for problem in problems]


def _problems(one, way, step, status, result):
    """What is not as it must be."""
    wanted_state, wanted_status = expected(way, step)
    if (one.state, status) != (wanted_state, wanted_status):
        yield f"the tenant is {one.state} and the run {status.name}, not {wanted_state} and {wanted_status.name}"
    if wanted_state == "ACTIVE":
        counts = Counter(kind for kind, _ in one.left if kind != "Resource")
        if set(counts) != THINGS or max(counts.values()) > 1:
            yield f"it has {counts}"
        return
    if one.left:
        yield f"left behind: {one.left}"
    # Where steps run side by side, a cancellation may meet another one at work first.
    named = SIDE_BY_SIDE if way.startswith("cancelled") and step in SIDE_BY_SIDE else {step}
    if result.failed_step not in named:
        yield f"it says that {result.failed_step or 'nothing'} failed"
    odd = [each.name for each in result.steps if each.undo == each.UNDO_LEFT_BEHIND or each.state == each.STATE_RUNNING]
    if odd:
        yield f"the ledger says of {odd} what is not so"


THINGS = {"Organization", "Client", "User", "Schema", "Bucket", "Stack", "Deployment", "Record"}


def expected(way: str, step: str) -> tuple[str, WorkflowExecutionStatus]:
    """How the tenant and the run must end."""
    cancelled = way.startswith("cancelled")
    survives = way.endswith("transient") or step == "welcome" or (cancelled and step in TOO_LATE)
    # The answer of the last transition was lost, but it had been made: what is active is not undone.
    if survives or (step == "activate" and not way.startswith("fails before")):
        return "ACTIVE", WorkflowExecutionStatus.COMPLETED
    status = WorkflowExecutionStatus.CANCELED if cancelled else WorkflowExecutionStatus.FAILED
    never_begun = step in BEFORE_ANYTHING or (step == "mark_provisioning" and " before" in way and not cancelled)
    if never_begun:
        return "PENDING_PROVISION", status
    return ("CANCELLED" if cancelled else "PROVISION_FAILED"), status


async def _cancel(handle, hanging, step):
    await hanging.entered.wait()
    try:
        await handle.execute_update("cancel", Cancellation())
    except WorkflowUpdateFailedError:
        assert step in TOO_LATE
        hanging.go.set()


async def _closed(handle):
    try:
        async with asyncio.timeout(60):
            await handle.result()
    except WorkflowFailureError:
        pass
    return await handle.describe()


async def _pass(act):
    return await act()
