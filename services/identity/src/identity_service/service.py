"""What all of the domain does alike: deciding whose something is, and cutting pages out of what a provider streams."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from faults import Fault
from identity_service.model import Owner, operation_mismatch

Position = tuple[str, ...]


class Owned(Protocol):
    """Anything that may bear the mesh's stamp."""

    @property
    def owner(self) -> Owner | None:
        """Whose it is."""
        ...


OwnedT = TypeVar("OwnedT", bound=Owned)


@dataclass(frozen=True, slots=True)
class Page(Generic[OwnedT]):
    """Some of them, and the position of the last one where more follow."""

    items: tuple[OwnedT, ...]
    last: Position | None


@dataclass(frozen=True, slots=True)
class Slice:
    """Which page: of what one operation made, where that is said, and after which position."""

    operation_id: str
    after: Position | None
    size: int


async def page_of(stream: AsyncIterator[OwnedT], wanted: Slice, order: Callable[[OwnedT], Position]) -> Page[OwnedT]:
    """The page, in order. Providers stream in an order of their own, so every one is looked at."""
    chosen = [
        one
        async for one in stream
        if (not wanted.operation_id or (one.owner and one.owner.operation_id == wanted.operation_id))
        and (wanted.after is None or order(one) > wanted.after)
    ]
    first = heapq.nsmallest(wanted.size + 1, chosen, key=order)
    more = len(first) > wanted.size
    items = tuple(first[: wanted.size])
    return Page(items, order(items[-1]) if more and items else None)


def is_of(thing: Owned, tenant_id: str) -> bool:
    """Whether the mesh made it for this tenant."""
    return thing.owner is not None and thing.owner.tenant_id == tenant_id


def check_owned(thing: Owned, tenant_id: str, refusal: Callable[[str], Fault]) -> None:
    """Raise the refusal, told whose it is, unless the mesh made it for this tenant."""
    if not is_of(thing, tenant_id):
        raise refusal("another_tenant" if thing.owner else "unknown")


def check_operation(thing: Owned, operation_id: str, name: str) -> None:
    """Raise OPERATION_MISMATCH where an operation is said, and another one made it."""
    if operation_id and thing.owner and thing.owner.operation_id != operation_id:
        raise operation_mismatch(name, thing.owner.operation_id)
