"""What is configured about the local directory."""

from __future__ import annotations

from dataclasses import dataclass

from settingskit import setting


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """How much a guess at a password costs. The defaults are those of RFC 9106 for machines with little memory."""

    memory_kib: int = setting(
        "LOCAL_ARGON2_MEMORY_KIB", default=65536, minimum=8, help="Memory that hashing one password takes, in KiB."
    )
    rounds: int = setting("LOCAL_ARGON2_ROUNDS", default=3, minimum=1, help="Rounds over that memory.")
    lanes: int = setting("LOCAL_ARGON2_LANES", default=4, minimum=1, maximum=255, help="Lanes side by side.")
    concurrency: int = setting(
        "LOCAL_ARGON2_CONCURRENCY", default=4, minimum=1, help="Passwords one process hashes at once."
    )
