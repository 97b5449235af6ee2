"""Keycloak, from its Maven artifact, with a database of its own in the stack's PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from localstack.checks import http_ok
from localstack.component import Absent, Component
from localstack.servers import databases, keycloak_admin
from localstack.servers import keycloak_distribution as distribution
from localstack.site import HOST, Site

SHARED_REALM = "tenantmesh"


def base(site: Site) -> str:
    """The address of its pages and of its administration."""
    return f"http://{site.address('http')}"


async def prepare(site: Site) -> str | None:
    """Fetch and build it where that is needed, and make its home and its database."""
    if not site.settings.keycloak:
        msg = "switched off by LOCAL_KEYCLOAK; identity uses its local directory"
        raise Absent(msg)
    distribution.settle(await distribution.provide(site.cache), home(site))
    await databases.provide(site, owner=True)
    return None


def home(site: Site) -> Path:
    """The folder it writes to."""
    return site.folder / "home"


def command(site: Site) -> list[str]:
    """The server, built before and so started without looking at its configuration again."""
    return [*distribution.program(distribution.located(site.cache), home(site)), "start", "--optimized"]


def environment(site: Site) -> Mapping[str, str]:
    """Its database, its ports, and the temporary account that a new one is bootstrapped with."""
    database = databases.of(site)
    return {
        "KC_DB_URL": f"jdbc:postgresql://{database.address}/{database.name}",
        "KC_DB_USERNAME": database.role,
        "KC_DB_PASSWORD": database.password,
        "KC_HTTP_ENABLED": "true",
        "KC_HTTP_HOST": HOST,
        "KC_HTTP_PORT": str(site.ports["http"]),
        "KC_HTTP_MANAGEMENT_PORT": str(site.ports["management"]),
        "KC_HTTP_MANAGEMENT_HOST": HOST,
        "KC_HOSTNAME": base(site),
        "KC_CACHE": "local",
        "KC_LOG_LEVEL": "warn,org.keycloak.services:info",
        "KC_BOOTSTRAP_ADMIN_CLIENT_ID": keycloak_admin.BOOTSTRAP,
        "KC_BOOTSTRAP_ADMIN_CLIENT_SECRET": site.secret("bootstrap"),
    }


async def ready(site: Site) -> None:
    """It says itself that it is initialised and reaches its database."""
    await http_ok(f"http://{site.address('management')}/health/ready")


async def arrange(site: Site) -> None:
    """Have a service account instead of an administrator."""
    await keycloak_admin.arrange(base(site), site.secret("bootstrap"), site.secret("admin"))


def gives(site: Site) -> Mapping[str, str]:
    """Where it is, and who may administer it."""
    return {
        "IDENTITY_PROVIDER": "keycloak",
        "KEYCLOAK_URL": base(site),
        "KEYCLOAK_REALM": SHARED_REALM,
        "KEYCLOAK_ADMIN_CLIENT_ID": keycloak_admin.CLIENT,
        "KEYCLOAK_ADMIN_CLIENT_SECRET": site.secret("admin"),
        "KEYCLOAK_SECRET_OVERLAP": "true",
    }


KEYCLOAK = Component(
    name="keycloak",
    summary="identity provider",
    ports={"http": 8081, "management": 9000},
    needs=("postgres",),
    prepare=prepare,
    command=command,
    environment=environment,
    ready=ready,
    arrange=arrange,
    gives=gives,
    patience=timedelta(minutes=3),  # the first start makes the tables
)
