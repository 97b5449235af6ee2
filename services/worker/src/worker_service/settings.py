"""What is configured about the worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from chassis.client import TargetSettings
from settingskit import Problem, SettingsInvalid, load, nested, setting
from temporalkit.operations import INTEGRATIONS, ROLES
from temporalkit.settings import WorkerSettings

SERVICE = "worker"
_LONG = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the worker process. Where a service is, is said by the service's own name: DNS_ADDRESS."""

    worker: WorkerSettings = nested(WorkerSettings, ops={"port": 9109})
    queue: str = setting(
        "TEMPORAL_TASK_QUEUE", default="tenantmesh", help="What the names of all task queues begin with."
    )
    roles: tuple[str, ...] = setting(
        "WORKER_QUEUES", default=ROLES, help="The queues this worker serves; `--queues` on the command line wins."
    )

    def __post_init__(self) -> None:
        """Refuse roles that are none."""
        unknown = sorted(set(self.roles) - set(ROLES))
        if unknown or not self.roles:
            raise SettingsInvalid([Problem("WORKER_QUEUES", f"must be some of {', '.join(ROLES)}")])


@dataclass(frozen=True, slots=True)
class Target:
    """Where a service is. A call may take as long as its activity, which says how long that is."""

    target: TargetSettings = nested(TargetSettings, client={"timeout": _LONG, "stream_timeout": _LONG})


def read(environ: Mapping[str, str]) -> tuple[Settings, Mapping[str, TargetSettings]]:
    """The settings of the process, and where each service is that its roles call."""
    settings = load(Settings, environ, service=SERVICE)
    targets: dict[str, TargetSettings] = {}
    problems: list[Problem] = []
    for name in (name for name in INTEGRATIONS if name in settings.roles):
        try:
            targets[name] = load(Target, environ, service=name).target
        except SettingsInvalid as invalid:
            problems += [replace(problem, name=f"{name.upper()}_{problem.name}") for problem in invalid.problems]
    if problems:
        raise SettingsInvalid(problems)
    return settings, targets
