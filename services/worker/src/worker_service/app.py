"""What the worker process is made of: which queues it serves, with which workflows and activities."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import grpc

from chassis.client import Remote
from settingskit import Problem, SettingsInvalid
from temporalkit.operations import INTEGRATIONS, ROLES, SEARCH_ATTRIBUTES, TIERS, Queues
from temporalkit.worker import run_worker
from temporalkit.workers import Queue, Work
from worker_service.activities.deployments import Deployments
from worker_service.activities.dns import Dns
from worker_service.activities.engine import cancel_run, report
from worker_service.activities.identity import Identity
from worker_service.activities.infrastructure import Infrastructure
from worker_service.activities.notifications import Notifications
from worker_service.activities.storage import Storage
from worker_service.activities.tenants import Tenants
from worker_service.settings import SERVICE, Settings, Target, read
from worker_service.workflows.health_check import HealthCheck
from worker_service.workflows.provision_tenant import ProvisionTenant

ACTIVITIES: Mapping[str, Callable[[grpc.aio.Channel], Any]] = {
    each.QUEUE: each for each in (Tenants, Identity, Storage, Dns, Notifications, Infrastructure, Deployments)
}
WORKFLOWS = (ProvisionTenant, HealthCheck)
SHARED = tuple(f"worker_service.{name}" for name in ("activities", "operation", "requests", "tables"))
"""What workflows import: nothing in it changes while the process runs."""


def settings() -> Iterator[type]:
    """Everything that can be set."""
    yield Settings
    yield Target


async def main() -> None:
    """Work until told to stop."""
    chosen, targets = read(os.environ)
    chosen = replace(chosen, roles=roles(sys.argv[1:]) or chosen.roles)
    services = {name: Remote(name, target) for name, target in targets.items() if name in chosen.roles}
    await run_worker(
        SERVICE,
        work(Queues(chosen.queue), chosen.roles, services),
        resources=list(services.values()),
        settings=chosen.worker,
    )


def roles(arguments: Sequence[str]) -> tuple[str, ...]:
    """The queues that `--queues identity,storage` names; none where it is not given.

    Raises:
        SettingsInvalid: one of them is none.
    """
    if "--queues" not in arguments:
        return ()
    given = tuple("".join(arguments[arguments.index("--queues") + 1 :][:1]).split(","))
    if set(given) - set(ROLES):
        raise SettingsInvalid([Problem("--queues", f"must be some of {', '.join(ROLES)}")])
    return given


def work(queues: Queues, served: Collection[str], channels: Mapping[str, grpc.aio.Channel]) -> Work:
    """What a process with these roles does.

    Args:
        queues: the queues of the installation.
        served: the roles.
        channels: how to call each service whose role is served.
    """
    runs = [
        Queue(queues.of(tier), workflows=WORKFLOWS, activities=[cancel_run, report]) for tier in TIERS if tier in served
    ]
    calls = [
        Queue(queues.of(name), activities=_methods(ACTIVITIES[name](channels[name])))
        for name in INTEGRATIONS
        if name in served
    ]
    return Work([*runs, *calls], shared=SHARED, search_attributes=SEARCH_ATTRIBUTES)


def _methods(activities: object) -> list[Callable[..., Any]]:
    """The activities of a class."""
    return [
        method
        for _, method in inspect.getmembers(activities, inspect.ismethod)
        if hasattr(method, "__temporal_activity_definition")
    ]
