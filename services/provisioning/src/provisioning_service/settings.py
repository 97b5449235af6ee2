"""What is configured about the provisioning service, and what it tells runs of the installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from chassis import ServerSettings
from chassis.client import TargetSettings
from pagekit import PageSettings
from provisioning_service.model import KINDS, PROVISION, Switch
from settingskit import Problem, SettingsInvalid, load, nested, setting
from temporalkit.settings import TemporalSettings

SERVICE = "provisioning"
_TIERS: Final = frozenset({"silo", "bridge", "pooled"})


@dataclass(frozen=True, slots=True)
class InstallationSettings:
    """What runs are told when they are accepted."""

    zone: str = setting("TENANT_ZONE", default="", help="The zone below which tenants get host names; empty: none.")
    dns_targets: tuple[str, ...] = setting(
        "TENANT_DNS_TARGETS", default=(), help="Where those names point: addresses, or one host name."
    )
    suspended_targets: tuple[str, ...] = setting(
        "TENANT_SUSPENDED_TARGETS", default=(), help="Where they point while a tenant is suspended."
    )
    app: str = setting("TENANT_APP", default="", help="The application deployed for each tenant; empty: none.")
    admin_role: str = setting("TENANT_ADMIN_ROLE", default="admin", help="The role of a first administrator.")
    seed_template: str = setting("TENANT_SEED_TEMPLATE", default="", help="What schemas are filled from.")
    approval_patience: timedelta = setting(
        "APPROVAL_PATIENCE", default=timedelta(days=7), minimum=timedelta(0), maximum=timedelta(days=90),
        help="How long somebody may take to approve; 0: for ever.",
    )  # fmt: skip
    dns_patience: timedelta = setting(
        "DNS_PATIENCE", default=timedelta(minutes=10), minimum=timedelta(0), maximum=timedelta(minutes=15),
        help="How long a name may take to reach its servers.",
    )  # fmt: skip
    hold_tiers: tuple[str, ...] = setting(
        "HOLD_TIERS", default=(), help="Tiers whose runs stand still at a failure for a person, instead of undoing."
    )
    infrastructure_tiers: tuple[str, ...] = setting(
        "INFRASTRUCTURE_TIERS", default=("silo", "bridge"), help="Tiers that get infrastructure, whatever their plan."
    )
    approval_tiers: tuple[str, ...] = setting(
        "APPROVAL_TIERS", default=(), help="Tiers whose infrastructure waits for an approval."
    )

    def __post_init__(self) -> None:
        """Refuse tiers that are none, and names that lead nowhere."""
        lists = {
            "HOLD_TIERS": self.hold_tiers, "INFRASTRUCTURE_TIERS": self.infrastructure_tiers,
            "APPROVAL_TIERS": self.approval_tiers,
        }  # fmt: skip
        problems = [
            Problem(name, f"must be some of {', '.join(sorted(_TIERS))}")
            for name, tiers in lists.items()
            if set(tiers) - _TIERS
        ]
        if self.zone and not self.dns_targets:
            problems.append(Problem("TENANT_DNS_TARGETS", "is required with TENANT_ZONE: names must point somewhere"))
        if problems:
            raise SettingsInvalid(problems)


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
