"""Taking providers at their word, once it is certain that it is theirs."""

from __future__ import annotations

from collections.abc import Mapping

from faults import NotFound
from notifications_service.reports.ports import Reader, Reported


class Reports:
    """The reports of the providers that are in use."""

    def __init__(self, readers: Mapping[str, Reader], reported: Reported) -> None:
        """Describe them.

        Args:
            readers: by provider.
            reported: what they change.
        """
        self._readers = readers
        self._reported = reported

    async def take(self, provider: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Take a report; whether it changed anything.

        Raises:
            NotFound: REPORTS_NOT_TAKEN.
            Unauthenticated, Invalid: as the reader does.
        """
        reader = self._readers.get(provider)
        if reader is None:
            raise NotFound(
                "No reports of that provider are taken.", reason="REPORTS_NOT_TAKEN", facts={"provider": provider}
            )
        reports = await reader.read(headers, body)
        return any([await self._reported.apply(provider, report) for report in reports])
