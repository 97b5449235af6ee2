"""The tables, step by step, and the resource that brings them up to date.

A file that was released never changes; the next one goes on from it.
"""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from identity_service.settings import IdentitySettings
from postgreskit import Target, load_migrations, migrate

_log = logging.getLogger(__name__)


class Schema:
    """A resource that migrates when it opens, if the settings say with whose rights; several replicas take turns."""

    name = "schema"

    def __init__(self, settings: IdentitySettings) -> None:
        self._settings = settings

    async def __aenter__(self) -> Self:
        admin = self._settings.database.admin_url
        if admin is not None:
            application_role = unquote(urlsplit(self._settings.database.url.reveal()).username or "")
            identifiers = {"application_role": application_role, "operator_role": self._settings.operator_role}
            report = await migrate(admin, load_migrations(__name__), Target(identifiers=identifiers))
            _log.info("migrated", extra={"applied": report.applied, "unknown": report.unknown})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tables stay."""

    async def check(self) -> None:
        """The database itself says whether it is there."""
