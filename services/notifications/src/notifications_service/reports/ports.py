"""What reports need of the outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from notifications_service.reports.model import Report


class Reader(Protocol):
    """Knows a provider's reports by their signature, and reads them."""

    async def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[Report]:
        """What is reported; nothing where it is of no use here.

        Raises:
            Unauthenticated: SIGNATURE_INVALID, SIGNATURE_EXPIRED.
            Invalid: REPORT_INVALID.
        """
        ...


class Reported(Protocol):
    """The log and the suppression list, as far as reports change them."""

    async def apply(self, provider: str, report: Report) -> bool:
        """Put a report on record; whether anything changed. A message that nobody here has sent changes nothing."""
        ...
