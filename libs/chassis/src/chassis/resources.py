"""What a service needs around it: opened in order before the first call, closed last-in first-out after the last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Protocol


class StartFailed(Exception):  # noqa: N818 - reads as what happened
    """The process cannot start. The message is for the operator who has to change something."""


class Resource(Protocol):
    """A pool, a client, a provider: whatever must be there for the service to work."""

    @property
    def name(self) -> str:
        """What operators call it."""

    async def __aenter__(self) -> object:
        """Open it, and check what can be checked at once."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Close it."""

    async def check(self) -> None:
        """Raise when it is not usable right now."""


@asynccontextmanager
async def opened(resources: Sequence[Resource]) -> AsyncIterator[None]:
    """Keep the resources open inside the block. One that does not open closes those before it again.

    Raises:
        StartFailed: naming the resource.
    """
    async with AsyncExitStack() as stack:
        for resource in resources:
            try:
                await stack.enter_async_context(resource)
            except Exception as error:
                msg = f"{resource.name} does not open: {str(error) or type(error).__name__}"
                raise StartFailed(msg) from error
        yield
