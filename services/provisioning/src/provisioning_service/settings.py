"""What is configured about the provisioning service. What runs are told stands in `installation`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from chassis import ServerSettings
from chassis.client import TargetSettings
from pagekit import PageSettings
from provisioning_service.installation import InstallationSettings
from provisioning_service.model import KINDS, PROVISION, Switch
from settingskit import Problem, SettingsInvalid, load, nested, setting
from temporalkit.settings import TemporalSettings

SERVICE = "provisioning"


@dataclass(frozen=True, slots=True)
class ProvisioningSettings:
    """Settings of the provisioning process."""

    server: ServerSettings = nested(ServerSettings, port=7108, ops={"port": 9108})
    pages: PageSettings = nested(PageSettings)
    temporal: TemporalSettings = nested(TemporalSettings)
    installation: InstallationSettings = nested(InstallationSettings)
    queue: str = setting("TEMPORAL_TASK_QUEUE", default="tenantmesh", help="What the names of task queues begin with.")
    provisioning_enabled: bool = setting(
        "ENABLE_PROVISIONING", default=True, help="Whether tenants may be provisioned; what runs goes on."
    )
    bootstrap_enabled: bool = setting(
        "ENABLE_ORG_BOOTSTRAP", default=True, help="Whether organizations may be bootstrapped; what runs goes on."
    )
    dispatch_interval: timedelta = setting(
        "DISPATCH_INTERVAL", default=timedelta(seconds=1), minimum=timedelta(milliseconds=50),
        help="How often it looks for accepted operations that wait to be started.",
    )  # fmt: skip
    watch_interval: timedelta = setting(
        "WATCH_INTERVAL", default=timedelta(milliseconds=250), minimum=timedelta(milliseconds=20),
        help="How often it looks whether a watched operation has changed.",
    )  # fmt: skip

    @property
    def switches(self) -> tuple[Switch, ...]:
        """What stops new starts."""
        bootstrap = frozenset({KINDS["BOOTSTRAP_ORGANIZATION"].name})
        return (
            Switch("ENABLE_PROVISIONING", self.provisioning_enabled, frozenset({PROVISION.name})),
            Switch("ENABLE_ORG_BOOTSTRAP", self.bootstrap_enabled, bootstrap),
        )


@dataclass(frozen=True, slots=True)
class Target:
    """Where the tenants service is."""

    target: TargetSettings = nested(TargetSettings)


def read(environ: Mapping[str, str]) -> tuple[ProvisioningSettings, TargetSettings]:
    """The settings of the process, and where the records are; SettingsInvalid with all that is wrong."""
    problems: list[Problem] = []
    settings, target = None, None
    try:
        settings = load(ProvisioningSettings, environ, service=SERVICE)
    except SettingsInvalid as invalid:
        problems += invalid.problems
    try:
        target = load(Target, environ, service="tenants").target
    except SettingsInvalid as invalid:
        problems += [replace(problem, name=f"TENANTS_{problem.name}") for problem in invalid.problems]
    if settings is None or target is None:
        raise SettingsInvalid(problems)
    return settings, target
