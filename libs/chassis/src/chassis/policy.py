"""What each identity of a client certificate may do, as a file says it.

    {"identities": [
      {"identity": "spiffe://tenantmesh/worker", "permissions": ["dns.*", "storage.*"]},
      {"identity": "spiffe://tenantmesh/agents/*", "permissions": ["dns.records.read"], "tenant_id": "0199a0b0-…"}
    ]}

The first entry that fits an identity counts. A `*` stands for one part of the path.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chassis.permissions import Permissions, is_pattern
from chassis.principal import Principal
from chassis.reloading import Reloading

_REMEMBERED = 4096


class Policy:
    """The entries of a policy file, in its order."""

    def __init__(self, document: Any) -> None:
        """Read the entries.

        Raises:
            ValueError: naming the entry that makes no sense.
        """
        entries = document.get("identities") if isinstance(document, dict) else None
        if not isinstance(entries, list):
            msg = 'a policy is an object with a list of "identities"'
            raise ValueError(msg)  # noqa: TRY004 - the file is at fault, not a caller's type
        self._entries = [_entry(number, entry) for number, entry in enumerate(entries, 1)]
        self._known: dict[str, Principal | None] = {}

    def principal(self, identity: str) -> Principal | None:
        """The principal of an identity, or None for one without an entry."""
        if identity not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[identity] = self._find(identity)
        return self._known[identity]

    def _find(self, identity: str) -> Principal | None:
        parts = identity.split("/")
        for pattern, permissions, tenant_id in self._entries:
            if len(pattern) == len(parts) and all(
                want in ("*", part) for want, part in zip(pattern, parts, strict=True)
            ):
                return Principal(identity, permissions, tenant_id)
        return None


def policy_in(path: Path) -> Reloading[Policy]:
    """The policy of a file, read again when it changes."""
    return Reloading([path], lambda: Policy(json.loads(path.read_bytes())))


def _entry(number: int, entry: Any) -> tuple[list[str], Permissions, str]:
    fields = entry if isinstance(entry, dict) else {}
    identity, permissions, tenant_id = fields.get("identity"), fields.get("permissions"), fields.get("tenant_id", "")
    problem = ""
    if fields.keys() - {"identity", "permissions", "tenant_id"}:
        problem = "has fields other than identity, permissions and tenant_id"
    elif not isinstance(identity, str) or not identity:
        problem = "names no identity"
    elif not isinstance(permissions, list) or not all(isinstance(one, str) and is_pattern(one) for one in permissions):
        problem = "has permissions that are not patterns such as dns.records.read or dns.*"
    elif not isinstance(tenant_id, str) or ("tenant_id" in fields and not tenant_id):
        problem = "has a tenant_id that is none"  # an empty one must not make an operator of a tenant's agent
    if problem:
        msg = f"entry {number} of the policy {problem}"
        raise ValueError(msg)
    assert isinstance(identity, str) and isinstance(permissions, list)  # noqa: PT018,S101 - for the type checker
    return identity.split("/"), Permissions(permissions), tenant_id
