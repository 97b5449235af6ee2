"""Who calls: a name, what it may do, and the one tenant it acts for, if it is bound to one."""

from __future__ import annotations

from dataclasses import dataclass

from chassis.permissions import Permissions


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose identity is established. Without a tenant it is an operator, free to name any tenant."""

    name: str
    permissions: Permissions
    tenant_id: str = ""


ANYBODY = Principal("anonymous", Permissions(()))
"""The caller of a public method who sent no credentials."""
