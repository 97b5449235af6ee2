"""What is configured about the storage service. What concerns one of its parts stands with that part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chassis import Mode, ServerSettings
from pagekit import PageSettings
from settingskit import Problem, SettingsInvalid, load, nested, setting
from storage_service.buckets import providers as stores
from storage_service.buckets.providers.settings import BucketDefaults
from storage_service.schemas import providers as databases
from storage_service.schemas.providers.settings import SchemaDefaults

SERVICE = "storage"


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """Which providers' settings are to be read."""

    store: str = setting(
        "STORAGE_PROVIDER", default="memory", help=f"Who holds buckets: {', '.join(stores.PROVIDERS)}."
    )
    databases: str = setting(
        "SCHEMA_PROVIDER", default="memory", help=f"Who holds schemas: {', '.join(databases.PROVIDERS)}."
    )


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Settings of the storage process."""

    server: ServerSettings = nested(ServerSettings, port=7103, ops={"port": 9103})
    pages: PageSettings = nested(PageSettings)
    choice: ProviderChoice = nested(ProviderChoice)
    buckets: BucketDefaults = nested(BucketDefaults)
    schemas: SchemaDefaults = nested(SchemaDefaults)

    def __post_init__(self) -> None:
        """Refuse what cannot work, and in production what would only pretend to."""
        choices = (
            ("STORAGE_PROVIDER", self.choice.store, stores.PROVIDERS),
            ("SCHEMA_PROVIDER", self.choice.databases, databases.PROVIDERS),
        )
        problems = [
            Problem(name, f"must be one of {', '.join(known)}")
            for name, chosen, known in choices
            if chosen not in known
        ]
        if self.server.mode is Mode.PRODUCTION:
            message = "memory keeps nothing, and MESH_MODE=production refuses it"
            problems += [Problem(name, message) for name, chosen, _ in choices if chosen == "memory"]
            if self.schemas.exports.key is None:
                problems.append(
                    Problem("EXPORT_KEY", "is required by MESH_MODE=production: replicas must know their own")
                )
        if problems:
            raise SettingsInvalid(problems)


def kinds(choice: ProviderChoice) -> list[type]:
    """The settings to read: the process's own, and those of each provider that is chosen."""
    found: list[type] = [StorageSettings]
    if choice.store in stores.PROVIDERS:
        found.append(stores.provider_type(choice.store).Settings)
    if choice.databases in databases.PROVIDERS:
        found.append(databases.provider_type(choice.databases).Settings)
    return found


def read(environ: Mapping[str, str]) -> tuple[StorageSettings, Mapping[type, Any]]:
    """The settings of the process, and of each chosen provider by their class; SettingsInvalid with all problems."""
    problems: list[Problem] = []
    found: dict[type, Any] = {}
    for kind in kinds(load(ProviderChoice, environ, service=SERVICE)):
        try:
            found[kind] = load(kind, environ, service=SERVICE)
        except SettingsInvalid as invalid:
            problems += invalid.problems
    if problems:
        raise SettingsInvalid(problems)
    return found[StorageSettings], found
