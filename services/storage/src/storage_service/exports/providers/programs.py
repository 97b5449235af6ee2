"""pg_dump and pg_restore: found, of a version that knows the server, and run with no password on the command line."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from faults import Internal
from storage_service.schemas.model import capability_missing
from storage_service.schemas.providers.connections import Address
from storage_service.schemas.providers.errors import PROVIDER

_log = logging.getLogger(__name__)
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class Server:
    """A database, as a program needs to know it."""

    address: Address
    database: str
    major: int
    """The server's major version."""


class Programs:
    """The client programs of PostgreSQL."""

    def __init__(self, folder: Path | None) -> None:
        """Look in that folder only; without one, on the PATH and where Debian puts them."""
        self._folder = folder
        self._found: dict[tuple[str, int], str] = {}

    async def run(self, name: str, server: Server, arguments: Sequence[str], options: str = "") -> None:
        """Run `pg_dump` or `pg_restore` to its end, in a session with these options."""
        command = [await self._program(name, server.major), f"--dbname={_without_password(server)}", *arguments]
        environment = {**_inherited(), "PGPASSWORD": _password(server.address), "PGOPTIONS": options}
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            _, said = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            _log.error("%s failed: %s", name, said.decode(errors="replace")[-2000:])
            raise Internal(f"{name} failed.", reason="UNEXPECTED", facts={"program": name}, domain="tenantmesh")

    async def _program(self, name: str, major: int) -> str:
        """The oldest program of that name that the server's version is not too new for."""
        if (name, major) not in self._found:
            fitting = [(version, path) for path in self._candidates(name) if (version := await _version(path)) >= major]
            if not fitting:
                raise capability_missing(
                    PROVIDER,
                    name,
                    f"There is no {name} of version {major} or newer: name its folder in POSTGRES_PROGRAMS.",
                )
            self._found[name, major] = min(fitting)[1]
        return self._found[name, major]

    def _candidates(self, name: str) -> list[str]:
        if self._folder is not None:
            return [str(self._folder / name)]
        installed = sorted(str(path) for path in _DEBIAN.glob(f"*/bin/{name}"))
        on_path = shutil.which(name)
        return [*([on_path] if on_path else []), *installed]


async def _version(path: str) -> int:
    """The major version of a program; 0 where it is none."""
    # In a thread: the event loop at times hears of the end of so short a process before it hears what that said.
    said = await asyncio.to_thread(_said_of_itself, path)
    match = _VERSION.search(said)
    return int(match[1]) if match else 0


def _said_of_itself(path: str) -> str:
    try:
        return subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - the operator's own program
    except OSError:
        return ""


def _without_password(server: Server) -> str:
    parts = urlsplit(server.address.url.reveal())
    user = f"{parts.username}@" if parts.username else ""
    return urlunsplit(parts._replace(netloc=f"{user}{parts.netloc.rpartition('@')[2]}", path=f"/{server.database}"))


def _password(address: Address) -> str:
    return unquote(urlsplit(address.url.reveal()).password or "")


def _inherited() -> Mapping[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
