"""Where one component lives: its folder, its ports, its secrets, and what it may know of the others."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from localstack.settings import StackSettings

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Site:
    """The place of one component in one stack. Two stacks with different state folders share nothing."""

    name: str
    state: Path
    ports: Mapping[str, int] = field(default_factory=dict)
    settings: StackSettings = field(default_factory=StackSettings)
    neighbours: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder of its data and configuration."""
        return self.state / "data" / self.name

    @property
    def cache(self) -> Path:
        """The folder of what was downloaded, which may serve several stacks."""
        return (self.settings.cache or self.state / "debian").resolve()

    @property
    def log(self) -> Path:
        """The file its output goes to."""
        return self.state / "logs" / f"{self.name}.log"

    def address(self, port: str) -> str:
        """Host and port of one of its ports."""
        return f"{HOST}:{self.ports[port]}"

    def secret(self, name: str) -> str:
        """A secret of this stack: made when it is first asked for, the same ever after."""
        return self.secret_file(name).read_text()

    def secret_file(self, name: str) -> Path:
        """The file of a secret, 256 bits in hex, that only its owner can read."""
        path = self.state / "secrets" / f"{self.name}.{name}"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            # It appears whole or not at all, and once, so that two readers never see two values.
            draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_hex(32))
            with suppress(FileExistsError):
                os.link(draft, path)
            draft.unlink()
        return path
