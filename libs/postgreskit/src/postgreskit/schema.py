"""The resource that brings the tables of a service up to date before anything else of it opens."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Self
from urllib.parse import unquote, urlsplit

from postgreskit.migration_files import load_migrations
from postgreskit.migrations import Target, migrate
from postgreskit.settings import DatabaseSettings

_log = logging.getLogger(__name__)


class Schema:
    """Migrates when it opens, if the settings say with whose rights; several replicas take turns."""

    name = "schema"

    def __init__(self, settings: DatabaseSettings, package: str, *, identifiers: Mapping[str, str]) -> None:
        """Describe it.

        Args:
            settings: where the database is, and the address of its owner.
            package: holds the migrations.
            identifiers: what `:"name"` stands for in them, beside `:"application_role"`, which `DATABASE_URL` names.
        """
        self._settings = settings
        self._package = package
        self._identifiers = identifiers

    async def __aenter__(self) -> Self:
        admin = self._settings.admin_url
        if admin is not None:
            role = unquote(urlsplit(self._settings.url.reveal()).username or "")
            target = Target(identifiers={"application_role": role, **self._identifiers})
            report = await migrate(admin, load_migrations(self._package), target)
            _log.info("migrated", extra={"applied": report.applied, "unknown": report.unknown})
        return self

    async def __aexit__(self, *_: object) -> None:
        """Tables stay."""

    async def check(self) -> None:
        """The database itself says whether it is there."""
