"""The one list of everything that runs. To add a component, describe it in `servers` and name it here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from localstack.component import Component, Profile
from localstack.servers import databases
from localstack.servers.gateway import GATEWAY
from localstack.servers.keycloak import KEYCLOAK
from localstack.servers.mailsink import MAILSINK
from localstack.servers.mesh import service, worker
from localstack.servers.nameserver import NAMESERVER
from localstack.servers.objectstore import OBJECTSTORE
from localstack.servers.postgres import POSTGRES, programs
from localstack.servers.prometheus import PROMETHEUS
from localstack.servers.temporal import TEMPORAL
from localstack.site import HOST

# Visitors come through the gateway, which says where from.
TENANTS = service(
    "tenants",
    "the system of record",
    tables=True,
    environment=lambda site: {"TENANTS_SECRET": site.secret("seal"), "TRUSTED_PROXIES": f"{HOST}/32"},
)
STORAGE = service(
    "storage",
    "buckets and schemas of tenants",
    needs=("objectstore",),
    tables=True,
    environment=lambda site: {
        "STORAGE_PROVIDER": "s3",
        "SCHEMA_PROVIDER": "postgres",
        "TENANT_DATABASE_URL": databases.addresses(site)["STORAGE_ADMIN_DATABASE_URL"],
        "POSTGRES_PROGRAMS": str(programs()),
        "EXPORT_KEY": site.secret("exports"),
    },
)
NOTIFICATIONS = service(
    "notifications",
    "messages to people",
    needs=("mailsink",),
    tables=True,
    environment=lambda site: {
        "NOTIFICATIONS_SECRET": site.secret("seal"),
        "NOTIFICATION_PROVIDER": "smtp",
        "NOTIFICATION_FROM": f"no-reply@{site.settings.zone}",
        "NOTIFICATION_PUBLIC_URL": f"http://{HOST}:8080",
    },
)
IDENTITY = service(
    "identity",
    "where tenants sign in",
    needs=("keycloak",),
    tables=True,
    environment=lambda site: {"IDENTITY_SECRET": site.secret("seal")},
)
PROVISIONING = service(
    "provisioning",
    "operations on tenants",
    needs=("temporal", "tenants"),
    environment=lambda site: {
        "TENANT_ZONE": site.settings.zone,
        "TENANT_DNS_TARGETS": "192.0.2.10",
        "TENANT_APP": "product",
    },
)
MESH = (
    TENANTS,
    IDENTITY,
    service("dns", "DNS records of tenants", needs=("nameserver",)),
    STORAGE,
    NOTIFICATIONS,
    service("infrastructure", "infrastructure stacks of tenants"),
    service("deployments", "deployments of the product for tenants"),
    PROVISIONING,
)
WORKER = worker(needs=tuple(one.name for one in MESH if one is not PROVISIONING))

COMPONENTS: tuple[Component, ...] = (
    POSTGRES,
    TEMPORAL,
    OBJECTSTORE,
    NAMESERVER,
    MAILSINK,
    KEYCLOAK,
    *MESH,
    WORKER,
    # The last to start, so that what it routes to is there.
    replace(GATEWAY, needs=tuple(one.name for one in MESH)),
    PROMETHEUS,
)


class UnknownComponent(Exception):  # noqa: N818 - names what happened
    """A component was asked for that is not in the list."""


def select(
    profile: Profile, only: Iterable[str] = (), *, among: Iterable[Component] = COMPONENTS
) -> tuple[Component, ...]:
    """The components of a profile; or the named ones and what they need, of whatever profile."""
    known = {one.name: one for one in among}
    wanted = [one.name for one in known.values() if profile is Profile.FULL or one.profile is Profile.DEFAULT]
    chosen = _with_needs(list(only) or wanted, known)
    return tuple(one for one in known.values() if one.name in chosen)


def _with_needs(names: Iterable[str], known: dict[str, Component]) -> set[str]:
    chosen: set[str] = set()
    for name in names:
        if name not in known:
            msg = f"no component is called {name}; there are {', '.join(known)}"
            raise UnknownComponent(msg)
        chosen |= {name} | _with_needs(known[name].needs, known)
    return chosen
