import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.deployments_service.conftest import ACME, GLOBEX, NOW, WISH, World, over

from deployments_service import service
from deployments_service.model import Action, Deployment, Owner, Rollout, SignedReport, Spec, State, Tier
from deployments_service.providers.memory import MemoryProvider, MemorySettings
from deployments_service.providers.none import NoProvider, NoSettings
from faults import Aborted, AlreadyExists, Conflict, Invalid, NotFound, Unauthenticated


async def test_a_deployment_is_made_by_a_rollout_and_stamped(world):
    made, created = await world.ensure()
    assert created
    assert (made.state, made.owner) == (State.PENDING, Owner(ACME, "provision-acme", NOW))
    assert made.rollout.action is Action.DEPLOY
    world.pass_time()
    ready = await world.service.get(ACME, "web")
    assert (ready.state, ready.percent, ready.app_url) == (State.READY, 100, "https://acme.example.com")


async def test_a_repeated_call_finds_the_rollout_that_the_first_one_began(world):
    first, _ = await world.ensure()
    assert await world.ensure() == (first, False)
    world.pass_time()
    again, created = await world.ensure(operation_id="provision-again")
    assert (again.rollout, again.state, created) == (first.rollout, State.READY, False)


async def test_many_at_once_begin_one_rollout(world):
    answers = await asyncio.gather(*(world.ensure() for _ in range(20)))
    assert len({deployment.rollout for deployment, _ in answers}) == 1
    assert sum(created for _, created in answers) == 1


async def test_another_version_rolls_out_and_keeps_the_makers_stamp(world):
    before = await world.ready()
    changed, created = await world.ensure(version="2.0", operation_id="deploy-acme")
    assert not created
    assert (changed.state, changed.owner, changed.rollout.operation_id) == (State.PENDING, before.owner, "deploy-acme")
    assert (changed.spec.version, changed.previous) == ("2.0", before.spec)


@pytest.mark.parametrize("other", [{"operation_id": "deploy-acme"}, {"version": "2.0"}])
async def test_while_a_rollout_is_at_work_another_is_refused(world, other):
    made, _ = await world.ensure()
    with pytest.raises(Conflict) as caught:
        await world.ensure(**other)
    assert (caught.value.reason, caught.value.facts) == (
        "DEPLOYMENT_BUSY",
        {"app": "web", "rollout_id": made.rollout.rollout_id, "operation_id": "provision-acme"},
    )


async def test_what_failed_rolls_out_again_and_what_served_is_not_forgotten():
    world = World(failing=("2.0",))
    before = await world.ready()
    failed, _ = await world.ensure(version="2.0")
    assert (failed.state, failed.failure.retryable, failed.previous) == (State.FAILED, True, before.spec)
    again, _ = await world.ensure(version="2.0")
    assert again.rollout != failed.rollout
    assert again.previous == before.spec


@pytest.mark.parametrize(("tier", "version"), [(Tier.SILO, "stable"), (Tier.POOLED, "shared")])
async def test_who_names_no_version_gets_his_tiers(quick, tier, version):
    made, _ = await quick.ensure(version="", tier=tier)
    assert made.spec.version == version


async def test_what_would_be_is_told_and_nothing_is_deployed(quick):
    would, created = await quick.ensure(validate_only=True)
    assert (would.state, created) == (State.PENDING, True)
    with pytest.raises(NotFound):
        await quick.service.get(ACME, "web")
    await quick.ensure()
    would, created = await quick.ensure(validate_only=True, version="2.0")
    assert (would.spec.version, would.state, created) == ("2.0", State.PENDING, False)
    assert (await quick.service.get(ACME, "web")).spec.version == "1.0"


async def test_without_a_provider_every_wish_is_skipped_and_nothing_is_there():
    none = over(NoProvider(NoSettings()))
    skipped, created = await none.ensure(WISH)
    assert (skipped.state, skipped.provider, skipped.owner, created) == (State.SKIPPED, "none", None, False)
    assert await none.delete(ACME, "web") == (False, None)
    assert (await none.list(tenant_id="", operation_id="", after=None, size=9)).deployments == ()
    with pytest.raises(NotFound):
        await none.get(ACME, "web")
    with pytest.raises(Conflict) as caught:
        await none.rollback(ACME, "web", "r-1", "roll-back")
    assert caught.value.facts == {"provider": "none", "capability": "rollback"}


@pytest.mark.parametrize(
    ("owner", "said"), [(None, "unknown"), (Owner(GLOBEX, "provision-globex", NOW), "another_tenant")]
)
async def test_what_is_not_the_tenants_is_never_touched(owner, said):
    foreign = Deployment(ACME, "web", Spec(Tier.SILO, "1.0"), owner, Rollout("r-1", Action.DEPLOY, ""), State.READY, "")
    deployments = over(MemoryProvider(MemorySettings(), [foreign]))
    for call in (
        lambda: deployments.ensure(WISH),
        lambda: deployments.get(ACME, "web"),
        lambda: deployments.delete(ACME, "web"),
        lambda: deployments.rollback(ACME, "web", "r-1", "roll-back"),
    ):
        with pytest.raises(AlreadyExists) as caught:
            await call()
        assert caught.value.reason == "DEPLOYMENT_NOT_OWNED"
        assert caught.value.facts == {"app": "web", "provider": "memory", "owner": said}


async def test_a_host_name_serves_one_deployment(quick):
    await quick.ensure()
    with pytest.raises(AlreadyExists) as caught:
        await quick.ensure(tenant_id=GLOBEX)
    assert (caught.value.reason, caught.value.facts["hostname"]) == ("HOSTNAME_TAKEN", "acme.example.com")
    await quick.ensure(hostnames=("other.example.com",))
    assert (await quick.ensure(tenant_id=GLOBEX))[1]


async def test_a_rollback_brings_back_all_that_served_before(world):
    before = await world.ready()
    after = await world.ready(version="2.0", settings={"A": "2"})
    back, rolled_back = await world.service.rollback(ACME, "web", after.rollout.rollout_id, "roll-back")
    assert (rolled_back, back.state, back.spec, back.previous) == (True, State.ROLLING_BACK, before.spec, None)
    assert await world.service.rollback(ACME, "web", after.rollout.rollout_id, "roll-back") == (back, False)
    world.pass_time()
    assert (await world.service.get(ACME, "web")).state is State.READY
    assert not (await world.service.rollback(ACME, "web", after.rollout.rollout_id, "roll-back"))[1]


async def test_a_rollback_is_refused_where_it_leads_nowhere(world):
    made = await world.ready()
    for rollout_id, reason in ((made.rollout.rollout_id, "NO_EARLIER_VERSION"), ("another", "ROLLOUT_SUPERSEDED")):
        with pytest.raises(Conflict) as caught:
            await world.service.rollback(ACME, "web", rollout_id, "roll-back")
        assert caught.value.reason == reason


async def test_a_rollout_that_is_stuck_can_be_undone_but_not_the_way_back_or_out(world):
    await world.ready()
    stuck, _ = await world.ensure(version="2.0")
    back, _ = await world.service.rollback(ACME, "web", stuck.rollout.rollout_id, "roll-back")
    with pytest.raises(Conflict) as caught:
        await world.service.rollback(ACME, "web", back.rollout.rollout_id, "roll-back")
    assert caught.value.reason == "DEPLOYMENT_BUSY"


async def test_a_deployment_is_removed_and_then_gone(world):
    await world.ready()
    existed, going = await world.service.delete(ACME, "web", "provision-acme")
    assert (existed, going.state, going.rollout.action) == (True, State.DELETING, Action.REMOVE)
    assert await world.service.delete(ACME, "web") == (True, going)
    world.pass_time()
    assert await world.service.delete(ACME, "web") == (False, None)
    assert (await world.ensure())[1]


async def test_an_undo_supersedes_the_rollout_that_is_at_work(world):
    made, _ = await world.ensure()
    _, going = await world.service.delete(ACME, "web", "provision-acme")
    assert (going.state, going.rollout != made.rollout) == (State.DELETING, True)
    with pytest.raises(Conflict) as caught:
        await world.ensure()
    assert caught.value.reason == "DEPLOYMENT_BUSY"


async def test_an_undo_leaves_what_another_operation_made(quick):
    await quick.ensure()
    with pytest.raises(Conflict) as caught:
        await quick.service.delete(ACME, "web", "provision-again")
    assert caught.value.facts == {"app": "web", "operation_id": "provision-acme"}


async def test_a_removal_that_is_done_at_once_leaves_nothing_to_show(quick):
    await quick.ensure()
    assert await quick.service.delete(ACME, "web") == (True, None)


async def test_a_watched_deployment_is_told_at_every_change_until_its_rollout_ends(world):
    await world.ensure()
    told = []
    async for one in world.service.watch(ACME, "web"):
        told.append(one.state)
        world.pass_time()
    assert told == [State.PENDING, State.READY]


async def test_a_watched_deployment_that_is_removed_ends_as_not_found(world):
    await world.ready()
    await world.service.delete(ACME, "web")
    watching = world.service.watch(ACME, "web")
    assert (await anext(watching)).state is State.DELETING
    world.pass_time()
    with pytest.raises(NotFound):
        await anext(watching)


async def test_a_silent_rollout_is_told_again_as_a_sign_of_life(world, monkeypatch):
    monkeypatch.setattr(service, "_SIGN_OF_LIFE", timedelta())
    await world.ensure()
    watching = world.service.watch(ACME, "web")
    assert await anext(watching) == await anext(watching)
    await watching.aclose()


async def test_a_silent_rollout_is_not_told_at_every_look(world):
    await world.ensure()
    looks = []
    find = world.provider.find

    async def count(*key):
        looks.append(key)
        if len(looks) == 5:
            world.pass_time()
        return await find(*key)

    world.provider.find = count
    assert [one.state async for one in world.service.watch(ACME, "web")] == [State.PENDING, State.READY]
    assert len(looks) == 5


async def test_pages_are_by_tenant_and_application(quick):
    for app, tenant in (("b", ACME), ("a", GLOBEX), ("a", ACME), ("c", ACME)):
        await quick.ensure(app=f"{app}-app", tenant_id=tenant, hostnames=(), operation_id=f"make-{app}")
    first = await quick.service.list(tenant_id="", operation_id="", after=None, size=2)
    assert [one.app for one in first.deployments] == ["a-app", "b-app"]
    second = await quick.service.list(tenant_id="", operation_id="", after=first.last, size=2)
    assert ([(one.tenant_id, one.app) for one in second.deployments], second.last) == (
        [(ACME, "c-app"), (GLOBEX, "a-app")], None,
    )  # fmt: skip
    only = await quick.service.list(tenant_id=ACME, operation_id="make-a", after=None, size=9)
    assert [one.app for one in only.deployments] == ["a-app"]


async def test_who_loses_every_race_is_told(quick):
    async def begin(*_, **__):
        tries.append(1)
        raise Aborted("Lost.", reason="DEPLOYMENT_CHANGED")

    tries = []
    quick.provider.begin = begin
    with pytest.raises(Aborted):
        await quick.ensure()
    assert len(tries) == 5


class Trusting:
    """Takes reports; believes only what is signed `right`."""

    def __init__(self):
        self.accepted = []

    def verify(self, signed):
        if signed.signature != "right":
            raise Unauthenticated("No.", reason="SIGNATURE_INVALID")

    async def accept(self, _signed, report):
        self.accepted.append(report)
        return report.state, True


SIGNED = SignedReport(ACME, "web", "r-1", b'{"state": "DEPLOYMENT_STATE_READY"}', "1", "right")


async def test_a_report_is_read_after_its_signature(quick):
    trusting = Trusting()
    deployments = over(quick.provider, trusting)
    assert await deployments.report(SIGNED) == (State.READY, True)
    with pytest.raises(Unauthenticated):
        await deployments.report(replace(SIGNED, body=b"nonsense", signature="wrong"))
    with pytest.raises(Invalid):
        await deployments.report(replace(SIGNED, body=b"nonsense"))
    assert len(trusting.accepted) == 1


async def test_who_takes_no_reports_says_so(quick):
    with pytest.raises(Conflict) as caught:
        await quick.service.report(SIGNED)
    assert (caught.value.reason, caught.value.facts) == ("REPORT_NOT_EXPECTED", {"provider": "memory"})
