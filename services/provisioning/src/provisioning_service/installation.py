"""What is configured about the installation: what runs are told when they are accepted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from settingskit import Problem, SettingsInvalid, setting

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
