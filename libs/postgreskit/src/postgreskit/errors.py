"""What a driver error means to a caller: one table, and one place that turns the one into the other.

The caller gets a neutral fault. The log gets the server's text, without the values of rows: those may be secrets.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import asyncpg

from faults import Aborted, Exhausted, Fault, Internal, Invalid, Kind, Timeout, Unavailable

log = logging.getLogger(__name__)

DOMAIN: Final = "tenantmesh"
"""Who defined the reasons below: they are those every service may give."""

Constraints = Mapping[str, Callable[[], Fault]]
"""The name of a constraint, and the fault of a change that breaks it."""

NO_CONSTRAINTS: Final[Constraints] = {}

_DRIVER_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)

_SOON: Final = timedelta(seconds=1)

# What a caller brought about says nothing of the database; what nobody foresaw has to be looked at.
_LEVELS: Final = {Kind.ABORTED: logging.INFO, Kind.INVALID: logging.INFO, Kind.INTERNAL: logging.ERROR}

# Classes of SQLSTATE (two characters) and single ones (five): the longer entry wins.
_KINDS: Final[Mapping[str, Kind]] = {
    "08": Kind.UNAVAILABLE,  # connection exception
    "22021": Kind.INVALID,  # a text with the character zero, which no column can hold
    "22P05": Kind.INVALID,  # the same inside JSON
    "25006": Kind.UNAVAILABLE,  # read-only: we are still connected to what was the primary
    "25P03": Kind.TIMEOUT,  # idle in transaction
    "25P04": Kind.TIMEOUT,  # transaction timeout
    "28": Kind.UNAVAILABLE,  # refused at the door: ours to repair, not the caller's
    "3D": Kind.UNAVAILABLE,  # no such database (yet)
    "40": Kind.ABORTED,  # serialization failure, deadlock
    "53": Kind.EXHAUSTED,  # disk full, out of memory, too many connections
    "55P03": Kind.TIMEOUT,  # lock timeout
    "57": Kind.UNAVAILABLE,  # shutting down, crashed, not accepting connections yet
    "57014": Kind.TIMEOUT,  # statement timeout
    "58": Kind.UNAVAILABLE,  # the server's own disk or files
}

_FAULTS: Final[Mapping[Kind, tuple[type[Fault], str, str]]] = {
    Kind.UNAVAILABLE: (Unavailable, "DEPENDENCY_UNAVAILABLE", "The database is away."),
    Kind.TIMEOUT: (Timeout, "DEPENDENCY_TIMED_OUT", "The database gave no answer in time."),
    Kind.EXHAUSTED: (Exhausted, "DEPENDENCY_EXHAUSTED", "The database has no room left."),
    Kind.ABORTED: (Aborted, "CONCURRENT_CHANGE", "The change met another one and gave way."),
    Kind.INVALID: (Invalid, "REQUEST_INVALID", "A text holds a character that cannot be kept."),
    Kind.INTERNAL: (Internal, "UNEXPECTED", "An unexpected error."),
}

# What PostgreSQL and the driver quote in the message of a data exception: the value.
_VALUES: Final = re.compile(r":.*|\"[^\"]*\"", re.DOTALL)


class translated:  # noqa: N801 - used as those of contextlib are
    """Raises a fault in place of every driver error of the block."""

    __slots__ = ("_constraints", "_dependency", "_lost")

    def __init__(
        self, dependency: str, constraints: Constraints = NO_CONSTRAINTS, *, lost: Callable[[], bool] = lambda: False
    ) -> None:
        """Say how.

        Args:
            dependency: the name callers know the database by.
            constraints: the faults of changes that break a constraint.
            lost: whether the connection is gone; the driver then complains of being misused.
        """
        self._dependency = dependency
        self._constraints = constraints
        self._lost = lost

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _DRIVER_ERRORS):
            fault = (
                _neutral(Kind.UNAVAILABLE, self._dependency)
                if _misused(error) and self._lost()
                else fault_of(error, self._dependency, self._constraints)
            )
            # The traceback shows where, and not the driver's text: that is for the log alone.
            raise fault.with_traceback(error.__traceback__) from None


@contextmanager
def constraint_faults(constraints: Constraints) -> Iterator[None]:
    """Raise the fault of the constraint that a statement of the block breaks; leave everything else as it is.

    The transaction is lost unless the block opens a savepoint inside: `with constraint_faults(...): async with
    tx.transaction(): ...`.
    """
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        fault = _broken(error, constraints)
        if fault is None:
            raise
        raise fault.with_traceback(error.__traceback__) from None


def fault_of(error: BaseException, dependency: str, constraints: Constraints = NO_CONSTRAINTS) -> Fault:
    """The fault a driver or connection error is, after its text went to the log."""
    if broken := _broken(error, constraints):
        return broken
    kind = _kind(error)
    level = _LEVELS.get(kind, logging.WARNING)
    sqlstate = getattr(error, "sqlstate", None)
    log.log(level, "%s: %s", dependency, describe(error), extra={"dependency": dependency, "sqlstate": sqlstate})
    return _neutral(kind, dependency)


def describe(error: BaseException) -> str:
    """What the log may hold of an error: the server's words, never the values of a row or an argument."""
    name = type(error).__name__
    if isinstance(error, asyncpg.ClientConfigurationError):
        return name  # quotes the address
    if not isinstance(error, asyncpg.PostgresError):
        return f"{name}: {error}" if str(error) else name
    message = str(error.args[0])
    if error.sqlstate[:2] == "22":
        message = _VALUES.sub("", message)
    parts = [f"{name} ({error.sqlstate}): {message}"]
    hidden = frozenset({"detail"}) if error.sqlstate[:2] == "23" else frozenset()  # "Failing row contains …"
    for field in ("detail", "hint", "context", "schema_name", "table_name", "column_name", "constraint_name"):
        value = getattr(error, field, None)
        if value and field not in hidden:
            parts.append(f"{field}={value}")
    return "; ".join(parts)


def _broken(error: BaseException, constraints: Constraints) -> Fault | None:
    if not isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return None
    factory = constraints.get(error.constraint_name or "")
    return factory() if factory else None


def _kind(error: BaseException) -> Kind:
    if isinstance(error, TimeoutError):
        return Kind.TIMEOUT
    if isinstance(error, OSError):
        return Kind.UNAVAILABLE
    sqlstate = getattr(error, "sqlstate", None) or ""
    return _KINDS.get(sqlstate) or _KINDS.get(sqlstate[:2]) or Kind.INTERNAL


def _misused(error: BaseException) -> bool:
    return isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError)


def _neutral(kind: Kind, dependency: str) -> Fault:
    fault, reason, message = _FAULTS[kind]
    retry_after = _SOON if kind is Kind.EXHAUSTED else None
    return fault(message, reason=reason, facts={"dependency": dependency}, domain=DOMAIN, retry_after=retry_after)
