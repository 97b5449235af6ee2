from datetime import UTC, datetime

import protovalidate
import pytest

from infrastructure_service import translate
from infrastructure_service.model import (
    Failure,
    FailureReason,
    Kind,
    Owner,
    Plan,
    Run,
    RunState,
    Spec,
    Stack,
    StackState,
    Tier,
)
from tenantmesh.infrastructure.v1 import infrastructure_service_pb2 as pb
from tenantmesh.infrastructure.v1 import run_pb2, stack_pb2

ACME = "0192f0c1-2b3c-7d4e-8f50-112233445566"
TIME = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = Owner(ACME, "provision-acme", TIME)
SPEC = Spec("tenant-acme", Tier.SILO, "silo", {"size": "small"})
RUN = Run("run-1", Kind.APPLY, RunState.PLANNED, SPEC, OWNER, "memory", TIME)
STACK = Stack(SPEC, OWNER, StackState.READY, "memory", "run-1", {"url": "x"}, create_time=TIME)


def test_a_tenant_is_the_same_in_capitals():
    assert translate.wish_from(pb.EnsureStackRequest(tenant_id=ACME.upper(), tier=1)).tenant_id == ACME


@pytest.mark.parametrize("state", StackState)
def test_every_state_of_a_stack_has_a_word_of_the_contract(state):
    message = translate.stack_to(Stack(SPEC, OWNER, state, "memory"))
    protovalidate.validate(message)
    assert stack_pb2.Stack.State.Name(message.state) == f"STATE_{state.name}"


@pytest.mark.parametrize("tier", Tier)
def test_every_tier_has_a_word_of_the_contract(tier):
    message = translate.stack_to(Stack(Spec("tenant-acme", tier, ""), None, StackState.READY, "memory", shared=True))
    assert translate.wish_from(pb.EnsureStackRequest(tenant_id=ACME, tier=message.tier)).tier is tier
    assert (message.tenant_id, message.HasField("ownership"), message.shared) == ("", False, True)


@pytest.mark.parametrize("state", RunState)
@pytest.mark.parametrize("kind", Kind)
def test_every_state_and_kind_of_a_run_has_a_word_of_the_contract(state, kind):
    message = translate.run_to(Run("run-1", kind, state, SPEC, OWNER, "memory", TIME))
    protovalidate.validate(message)
    assert run_pb2.Run.State.Name(message.state) == f"STATE_{state.name}"
    assert run_pb2.Run.Kind.Name(message.kind) == f"KIND_{kind.name}"
    assert not message.HasField("plan")


@pytest.mark.parametrize("reason", FailureReason)
def test_every_reason_of_a_failure_has_a_word_of_the_contract(reason):
    failure = Failure(reason, "It failed.", retryable=True)
    message = translate.run_to(Run("run-1", Kind.APPLY, RunState.ERRORED, SPEC, OWNER, "memory", TIME, failure=failure))
    assert run_pb2.RunFailure.Reason.Name(message.failure.reason) == f"REASON_{reason.name}"
    assert message.failure.retryable


def test_a_long_list_of_what_is_destroyed_is_cut_to_what_the_contract_allows():
    plan = Plan(destroy=200, destroyed=tuple(map(str, range(200))))
    message = translate.run_to(Run("run-1", Kind.DESTROY, RunState.PLANNED, SPEC, OWNER, "memory", TIME, plan))
    protovalidate.validate(message)
    assert (message.plan.destroy, len(message.plan.destroyed)) == (200, 100)


def test_what_is_not_known_is_not_said():
    message = translate.run_to(RUN)
    assert [message.HasField(name) for name in ("create_time", "start_time", "end_time", "failure")] == [
        True, False, False, False,
    ]  # fmt: skip
    assert translate.stack_to(STACK).outputs == {"url": "x"}
