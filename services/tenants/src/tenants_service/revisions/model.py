"""Compare and set: a write that says what it has read is refused where somebody else was faster."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from faults import Aborted


class Revised(Protocol):
    """What counts its revisions."""

    @property
    def etag(self) -> str:
        """Changes with every write."""
        ...


class Record(Protocol):
    """A dataclass with slots."""

    __slots__: tuple[str, ...]


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


def fields_of(record: Record) -> dict[str, Any]:
    """The fields of a record by name, as they are; `dataclasses.asdict` would copy what is in them."""
    return {name: getattr(record, name) for name in record.__slots__}


def news(record: object, changes: Record) -> dict[str, Any]:
    """What changes say that the record does not say already; None says nothing."""
    return {name: value for name, value in fields_of(changes).items() if value not in (None, getattr(record, name))}
