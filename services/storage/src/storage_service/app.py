"""What the storage process is made of: the one place that names its adapters."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chassis import ServerSettings, Servicer, serve
from pagekit import PageTokens
from storage_service.blueprint.providers.folder import load as load_blueprint
from storage_service.buckets import providers as stores
from storage_service.buckets.handlers import BucketHandlers
from storage_service.buckets.service import Places
from storage_service.credentials import tokens as claim_tokens
from storage_service.credentials.service import Issuer
from storage_service.exports.providers.dumps import dumps_type
from storage_service.exports.providers.files import files_type
from storage_service.exports.providers.programs import Programs
from storage_service.exports.providers.vault import ObjectVault
from storage_service.exports.service import Exports
from storage_service.objects.service import Objects
from storage_service.rollouts.service import Rollouts
from storage_service.schemas import providers as databases
from storage_service.schemas.handlers import SchemaHandlers
from storage_service.schemas.service import Schemas
from storage_service.settings import SERVICE, StorageSettings, read
from tenantmesh.storage.v1 import bucket_service_pb2_grpc as bucket_rpc
from tenantmesh.storage.v1 import schema_service_pb2_grpc as schema_rpc


def settings() -> Iterator[type]:
    """Everything that can be set, whichever providers are chosen."""
    yield StorageSettings
    for name in stores.PROVIDERS:
        yield stores.provider_type(name).Settings
    for name in databases.PROVIDERS:
        yield databases.provider_type(name).Settings


@dataclass(slots=True)
class Composition:
    """How to serve, what, and over which resources, which are still to be opened."""

    server: ServerSettings
    servicers: list[Servicer] = field(default_factory=list)
    resources: list[Any] = field(default_factory=list)


async def main() -> None:
    """Serve until told to stop."""
    made = compose(os.environ)
    await serve(SERVICE, servicers=made.servicers, resources=made.resources, settings=made.server)


def compose(environ: Mapping[str, str]) -> Composition:
    """The process as the environment asks for it."""
    chosen, by_kind = read(environ)
    made = Composition(chosen.server)
    tokens = PageTokens.configured(chosen.pages)
    places = _add_buckets(made, chosen, by_kind, tokens)
    _add_schemas(made, chosen, by_kind, tokens, places)
    return made


def _add_buckets(made: Composition, chosen: StorageSettings, by_kind: Mapping[type, Any], tokens: PageTokens) -> Places:
    kind = stores.provider_type(chosen.choice.store)
    names, defaults = chosen.buckets.names, chosen.buckets.defaults
    store = kind(by_kind[kind.Settings], names, defaults)
    places = Places(store, names, defaults)
    issuer = Issuer(store, places, claim_tokens, chosen.buckets.rules)
    objects = Objects(store, places, usage_age=chosen.buckets.usage_age)
    handlers = BucketHandlers(places, issuer, objects, tokens)
    made.resources.append(store)
    made.servicers.append(Servicer(bucket_rpc.add_BucketServiceServicer_to_server, handlers))
    return places


def _add_schemas(
    made: Composition, chosen: StorageSettings, by_kind: Mapping[type, Any], tokens: PageTokens, places: Places
) -> None:
    kind, settings = databases.provider_type(chosen.choice.databases), chosen.schemas
    provider = kind(by_kind[kind.Settings])
    blueprint = load_blueprint(settings.blueprint)
    schemas = Schemas(provider, blueprint, settings.rules(provider.reserved))
    store = stores.provider_type(chosen.choice.store)
    archive = settings.exports.archive or f"{chosen.buckets.names.prefix}--archive"
    files = files_type(chosen.choice.store)(by_kind[store.Settings], places, archive)
    dumps = dumps_type(chosen.choice.databases)(provider, Programs(settings.exports.programs))
    vault = ObjectVault(files, settings.exports.key)
    exports = Exports(schemas, dumps, vault, blueprint, folder=settings.exports.folder)
    handlers = SchemaHandlers(schemas, Rollouts(provider, blueprint), exports, provider, tokens)
    made.resources += [provider, files]
    made.servicers.append(Servicer(schema_rpc.add_SchemaServiceServicer_to_server, handlers))
