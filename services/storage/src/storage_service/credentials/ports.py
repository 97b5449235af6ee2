"""What credentials need beside a store."""

from __future__ import annotations

from typing import Protocol

from storage_service.buckets.model import Place


class ClaimTokens(Protocol):
    """Makes and reads claim tokens."""

    def new_token(self, place: Place, credentials_id: str) -> tuple[str, str]:
        """A token for these credentials, and the digest by which it will be known."""
        ...

    def read_token(self, token: str) -> tuple[Place, str, str] | None:
        """The place and the credentials that a token is for, and its digest; None for what is no token."""
        ...

    def same(self, one: str, other: str) -> bool:
        """Whether two digests are the same."""
        ...
