"""Exports as objects: a mark that one was begun, its dump, and last its manifest, which the service signs.

The objects of a tenant's bucket can be changed by the tenant, and what is restored runs with the rights of the service.
So nothing is restored that does not bear the service's signature, over a manifest that holds the dump's checksum.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from settingskit import Secret
from storage_service.buckets.model import Place
from storage_service.exports.model import Contents, Destination, Export, File, Table, corrupt
from storage_service.schemas.model import Applied, Seed, Stamp, Tenant, Tier

_MARK, _DUMP, _MANIFEST = "begun.json", "rows.dump", "manifest.json"
_FOLDER = "exports"
_CHUNK = 1 << 20


class Files(Protocol):
    """Objects in places of a store."""

    async def tenant_place(self, tenant: Tenant) -> Place:
        """Where the tenant's objects are; BUCKET_NOT_FOUND where there is no such place."""
        ...

    async def archive(self) -> Place:
        """Where the archive is, made if it is not there."""
        ...

    async def put(self, place: Place, key: str, source: Path | bytes) -> None:
        """Write an object."""
        ...

    async def read(self, place: Place, key: str) -> bytes | None:
        """A small object, if it is there."""
        ...

    async def get(self, place: Place, key: str, file: Path) -> None:
        """Copy an object into a file."""
        ...

    async def keys(self, place: Place, prefix: str) -> Sequence[str]:
        """The keys that begin so."""
        ...

    async def remove(self, place: Place, key: str) -> None:
        """Remove an object for good, whatever versions it has."""
        ...

    async def link(self, place: Place, key: str, lifetime: timedelta) -> tuple[str, datetime]:
        """A link that reads an object, and until when it works."""
        ...


class ObjectVault:
    """A vault over a store of objects."""

    def __init__(self, files: Files, key: Secret | None) -> None:
        self._files = files
        self._key = key.reveal().encode() if key else secrets.token_bytes(32)

    async def begin(self, export: Export) -> Export:
        """Mark that an export is being written."""
        place = await self._place(export.tenant, export.destination)
        key = self._key_of(export, _MANIFEST)
        begun = replace(export, bucket=place.bucket, manifest_key=place.prefix + key)
        await self._files.put(place, self._key_of(export, _MARK), self._sealed(begun))
        return begun

    async def complete(self, export: Export, file: Path, contents: Contents, time: datetime) -> Export:
        """Keep the dump, then the manifest."""
        place = await self._place(export.tenant, export.destination)
        key = self._key_of(export, _DUMP)
        size, sha256 = await asyncio.to_thread(_measure, file)
        await self._files.put(place, key, file)
        kept = File(place.prefix + key, size, sha256)
        whole = replace(export, files=(kept,), contents=contents, complete_time=time)
        await self._files.put(place, self._key_of(export, _MANIFEST), self._sealed(whole))
        return whole

    async def find(self, tenant: Tenant, destination: Destination, export_id: str) -> Export | None:
        """What the manifest says, or else the mark."""
        place = await self._place(tenant, destination)
        folder = self._folder(tenant, destination)
        for name in (_MANIFEST, _MARK):
            text = await self._files.read(place, f"{folder}{export_id}/{name}")
            if text is not None:
                return self._opened(text, tenant, export_id)
        return None

    async def fetch(self, export: Export, file: Path) -> None:
        """Get the dump, if it is the one that was kept."""
        place = await self._place(export.tenant, export.destination)
        await self._files.get(place, self._key_of(export, _DUMP), file)
        if await asyncio.to_thread(_measure, file) != (export.files[0].size, export.files[0].sha256):
            raise corrupt(export.export_id, key=export.files[0].key)

    async def list(self, tenant: Tenant, destination: Destination) -> Sequence[str]:
        """The ids that have a folder."""
        folder = self._folder(tenant, destination)
        keys = await self._files.keys(await self._place(tenant, destination), folder)
        return sorted({key.removeprefix(folder).partition("/")[0] for key in keys if "/" in key.removeprefix(folder)})

    async def links(self, export: Export, lifetime: timedelta) -> tuple[Sequence[tuple[str, str]], datetime]:
        """Links to the manifest and the dump."""
        place = await self._place(export.tenant, export.destination)
        keys = [self._key_of(export, name) for name in (_MANIFEST, _DUMP)]
        links = [await self._files.link(place, key, lifetime) for key in keys]
        named = [(place.prefix + key, url) for key, (url, _) in zip(keys, links, strict=True)]
        return named, min(time for _, time in links)

    async def remove(self, export: Export) -> None:
        """Remove it, the mark last: what is interrupted is incomplete, and never looks whole."""
        place = await self._place(export.tenant, export.destination)
        for name in (_MANIFEST, _DUMP, _MARK):
            await self._files.remove(place, self._key_of(export, name))

    async def _place(self, tenant: Tenant, destination: Destination) -> Place:
        if destination is Destination.ARCHIVE:
            return await self._files.archive()
        return await self._files.tenant_place(tenant)

    def _folder(self, tenant: Tenant, destination: Destination) -> str:
        # The archive is shared; the tenant's own place is not.
        return f"{_FOLDER}/{tenant.tenant_id}/" if destination is Destination.ARCHIVE else f"{_FOLDER}/"

    def _key_of(self, export: Export, name: str) -> str:
        return f"{self._folder(export.tenant, export.destination)}{export.export_id}/{name}"

    def _sealed(self, export: Export) -> bytes:
        body = asdict(export)
        return json.dumps({"export": body, "signature": self._signature(body)}, default=_plain, indent=1).encode()

    def _opened(self, text: bytes, tenant: Tenant, export_id: str) -> Export:
        """The export in a manifest of ours, about this tenant and this id."""
        try:
            body = json.loads(text)
            signed = hmac.compare_digest(body["signature"], self._signature(body["export"]))
            export = _export(body["export"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise corrupt(export_id, key=_MANIFEST) from None
        if not signed or (export.tenant.tenant_id, export.export_id) != (tenant.tenant_id, export_id):
            raise corrupt(export_id, key=_MANIFEST)
        return export

    def _signature(self, body: Any) -> str:
        text = json.dumps(body, sort_keys=True, default=_plain)
        return hmac.digest(self._key, text.encode(), "sha256").hex()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return getattr(value, "value")  # noqa: B009 - of an enum


def _export(body: Any) -> Export:
    contents = body["contents"]
    seed = contents["seed"]
    return Export(
        export_id=body["export_id"],
        tenant=Tenant(body["tenant"]["tenant_id"], body["tenant"]["key"], Tier(body["tenant"]["tier"])),
        destination=Destination(body["destination"]),
        stamp=Stamp(**_timed(body["stamp"])),
        bucket=body["bucket"],
        manifest_key=body["manifest_key"],
        files=tuple(File(**one) for one in body["files"]),
        contents=Contents(
            schema=contents["schema"],
            tables=tuple(Table(**one) for one in contents["tables"]),
            applied=tuple(Applied(**_timed(one)) for one in contents["applied"]),
            seed=None if seed is None else Seed(**_timed(seed)),
        ),
        complete_time=body["complete_time"] and datetime.fromisoformat(body["complete_time"]),
    )


def _timed(values: Any) -> Any:
    return {**values, "time": datetime.fromisoformat(values["time"])}


def _measure(file: Path) -> tuple[int, str]:
    """How many bytes a file holds, and their SHA-256."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return file.stat().st_size, digest.hexdigest()
