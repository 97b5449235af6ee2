"""Servers that are Maven artifacts: fetched by Maven, which keeps them for every checkout, and checked by digest."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localstack.component import Absent
from localstack.process import finish

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of one version, and the SHA-256 of the one we know."""

    group: str
    name: str
    version: str
    kind: str
    sha256: str

    @property
    def file(self) -> str:
        """What the file is called."""
        return f"{self.name}-{self.version}.{self.kind}"


async def fetch(artifact: Artifact, folder: Path, environment: Mapping[str, str]) -> Path:
    """The file, in the folder. Absent where it cannot be had."""
    maven = shutil.which("mvn")
    if maven is None:
        msg = f"{artifact.file} is a Maven artifact, and there is no mvn to fetch it with"
        raise Absent(msg)
    coordinates = f"{artifact.group}:{artifact.name}:{artifact.version}:{artifact.kind}"
    command = [
        maven, "--batch-mode", "--quiet", "--strict-checksums", f"{PLUGIN}:copy",
        f"-Dartifact={coordinates}", f"-DoutputDirectory={folder}",
    ]  # fmt: skip
    code, output = await finish(command, folder, environment)
    if code:
        msg = f"mvn could not fetch {coordinates}: {_complaint(output) or f'exit code {code}'}"
        raise Absent(msg)
    file = folder / artifact.file
    if await asyncio.to_thread(_digest, file) != artifact.sha256:
        msg = f"{artifact.file} is not the file it should be: its SHA-256 differs"
        raise Absent(msg)
    return file


def _complaint(output: str) -> str:
    """The first line that tells what went wrong; Maven follows it with advice."""
    return next((line for line in output.splitlines() if line.startswith("[ERROR]")), "").removeprefix("[ERROR] ")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
