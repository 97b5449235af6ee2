"""Compare and set: a write that says what it has read is refused where somebody else was faster."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any, ClassVar, Protocol, TypeVar

from faults import Aborted


class Revised(Protocol):
    """What counts its revisions."""

    @property
    def etag(self) -> str:
        """Changes with every write."""
        ...


class Changes(Protocol):
    """A dataclass with fields of what may change; None leaves a field as it is."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


R = TypeVar("R", bound=Revised)


def same(record: R, etag: str) -> R:
    """The record, if it still is what somebody read under that etag; an empty one takes whatever stands there."""
    if etag not in {"", record.etag}:
        raise Aborted(
            "Somebody else has changed it since it was read.",
            reason="ETAG_MISMATCH",
            facts={"etag": record.etag},
        )
    return record


def news(record: object, changes: Changes) -> dict[str, Any]:
    """What changes say that the record does not say already; None says nothing."""
    wanted = {one.name: getattr(changes, one.name) for one in fields(changes)}
    return {name: value for name, value in wanted.items() if value not in (None, getattr(record, name))}
