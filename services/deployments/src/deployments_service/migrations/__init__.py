"""The tables, step by step. A file that was released never changes; the next one goes on from it."""

from __future__ import annotations

import logging
from urllib.parse import unquote, urlsplit

from postgreskit import DatabaseSettings, Target, load_migrations, migrate

_log = logging.getLogger(__name__)


async def brought_up_to_date(database: DatabaseSettings, *, operator_role: str) -> None:
    """Migrate, if the settings say with whose rights; several replicas take turns."""
    if database.admin_url is None:
        return
    application_role = unquote(urlsplit(database.url.reveal()).username or "")
    identifiers = {"application_role": application_role, "operator_role": operator_role}
    report = await migrate(database.admin_url, load_migrations(__name__), Target(identifiers=identifiers))
    _log.info("migrated", extra={"applied": report.applied, "unknown": report.unknown})
