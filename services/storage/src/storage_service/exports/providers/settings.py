"""What is configured about exports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from settingskit import Secret, setting


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """How exports are made, and where they are kept."""

    key: Secret | None = setting(
        "EXPORT_KEY",
        default=None,
        help="Signs manifests, the same for all replicas; only what bears the signature is restored. Without it, each "
        "process restores only what it exported itself.",
    )
    archive: str = setting(
        "EXPORT_ARCHIVE_BUCKET", default="", help="The bucket of the archive; `{prefix}--archive` without it."
    )
    programs: Path | None = setting(
        "POSTGRES_PROGRAMS",
        default=None,
        help="Folder of pg_dump and pg_restore, of the server's major version or a newer one; searched for without it.",
    )
    folder: Path | None = setting(
        "EXPORT_FOLDER", default=None, help="Where a dump lies while it is on its way; the system's folder without it."
    )
