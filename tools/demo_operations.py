"""The part of the demo in which the workflows do the work: a tenant of each tier, and one that fails at DNS."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

TIERS = ("TIER_SILO", "TIER_BRIDGE", "TIER_POOLED")
ADDRESS = ["192.0.2.10"]
_FINAL = {"OPERATION_STATE_SUCCEEDED", "OPERATION_STATE_FAILED", "OPERATION_STATE_CANCELLED"}
_BAR = 30


class Mesh:
    """The mesh, as an outside client sees it: JSON through the gateway."""

    def __init__(self, url: str) -> None:
        self._url = url

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One call and its answer."""
        with self._open(method, path, body) as response:
            answer: dict[str, Any] = json.load(response)
            return answer

    def watch(self, operation: str) -> Iterator[dict[str, Any]]:
        """An operation, each time it changes, until it has ended."""
        with self._open("GET", f"/operations/{operation}/watch") as lines:
            for line in lines:
                if stands := json.loads(line).get("operation"):
                    yield stands
                    if stands["state"] in _FINAL:
                        return

    def subscribed(self, tier: str) -> tuple[str, str]:
        """A new tenant of a tier that has paid: its id and its key."""
        key = f"{tier.removeprefix('TIER_').lower()}-{uuid.uuid4().hex[:6]}"
        person = {"firstName": "Ada", "lastName": "Lovelace", "email": f"ada@{key}.example", "primary": True}
        wanted = {"key": key, "displayName": key.title(), "tier": tier, "contacts": [person]}
        tenant = self.call("POST", "/tenants", {**wanted, "domains": [f"{key}.example"]})["tenant"]["tenantId"]
        billed = {"displayName": "Standard", "currency": "EUR", "billingCycle": "BILLING_CYCLE_MONTHLY"}
        plan = self.call("POST", "/plans", {"key": "plan_" + key.replace("-", "_"), "tier": tier, **billed})["plan"][
            "planId"
        ]
        self.call("POST", f"/tenants/{tenant}/subscriptions", {"planId": plan, "activate": True})
        return tenant, key

    def provisioned(self, tenant: str) -> dict[str, Any]:
        """The operation that provisions a tenant, shown while it goes on."""
        stands: dict[str, Any] = self.call("POST", f"/tenants/{tenant}/provision")["operation"]
        operation = stands["operationId"]
        for stands in self.watch(operation):
            done = int(stands.get("percent", 0)) * _BAR // 100
            state = stands["state"].removeprefix("OPERATION_STATE_").lower()
            print(f"   [{'█' * done}{'·' * (_BAR - done)}] {state:<10} {stands.get('details', '')[:60]}")
        return stands

    def held(self, tenant: str) -> dict[str, list[Any]]:
        """What the services hold of a tenant, asked of themselves."""
        lists = {
            "organizations": "organizations", "schemas": "schemas", "buckets": "buckets", "stacks": "stacks",
            "deployments": "deployments", "dns-records": "records", "resources": "resources",
        }  # fmt: skip
        return {path: self.call("GET", f"/tenants/{tenant}/{path}")[field] for path, field in lists.items()}

    def _open(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the gateway's own address
            self._url + path,
            method=method,
            data=None if method == "GET" else json.dumps(body or {}).encode(),
            headers={"content-type": "application/json"},
        )
        return urllib.request.urlopen(request, timeout=90)  # noqa: S310 - the same
