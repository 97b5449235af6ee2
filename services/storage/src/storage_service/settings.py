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

SERVICE = "storage"


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """Which providers' settings are to be read."""

    store: str = setting(
        "STORAGE_PROVIDER", default="memory", help=f"Who holds buckets: {', '.join(stores.PROVIDERS)}."
    )


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Settings of the storage process."""

    server: ServerSettings = nested(ServerSettings, port=7103, ops={"port": 9103})
    pages: PageSettings = nested(PageSettings)
    choice: ProviderChoice = nested(ProviderChoice)
    buckets: BucketDefaults = nested(BucketDefaults)

    def __post_init__(self) -> None:
        """Refuse what cannot work, and in production what would only pretend to."""
        if self.choice.store not in stores.PROVIDERS:
            raise SettingsInvalid([Problem("STORAGE_PROVIDER", f"must be one of {', '.join(stores.PROVIDERS)}")])
        if self.server.mode is Mode.PRODUCTION and self.choice.store == "memory":
            message = "memory keeps nothing, and MESH_MODE=production refuses it"
            raise SettingsInvalid([Problem("STORAGE_PROVIDER", message)])


def kinds(choice: ProviderChoice) -> list[type]:
    """The settings to read: the process's own, and those of each provider that is chosen."""
    found: list[type] = [StorageSettings]
    if choice.store in stores.PROVIDERS:
        found.append(stores.provider_type(choice.store).Settings)
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
