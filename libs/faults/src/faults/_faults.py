"""The fault classes: one kind is one class; two faults of a kind differ in their reason and their facts."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

# The form google.rpc.ErrorInfo documents for a reason.
_REASON = re.compile(r"[A-Z][A-Z0-9_]{0,61}[A-Z0-9]")


class Kind(enum.Enum):
    """What kind of failure this is. The set is closed: every translator handles every member."""

    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    INVALID = "invalid"
    CONFLICT = "conflict"
    ABORTED = "aborted"
    DENIED = "denied"
    UNAUTHENTICATED = "unauthenticated"
    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    UNIMPLEMENTED = "unimplemented"
    INTERNAL = "internal"

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later without anybody changing it."""
        return self in _RETRYABLE


_RETRYABLE = frozenset({Kind.ABORTED, Kind.EXHAUSTED, Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.INTERNAL})


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of a request that breaks one rule."""

    field: str
    description: str
    rule: str = ""


class Fault(Exception):  # noqa: N818 - the subclasses read as what happened: NotFound, Denied
    """Something a caller can be told. Raise a subclass, never this class itself."""

    kind: ClassVar[Kind]

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        facts: Mapping[str, object] | None = None,
        retry_after: timedelta | None = None,
        violations: Iterable[Violation] = (),
        domain: str = "",
    ) -> None:
        """Describe the failure.

        Args:
            message: one neutral sentence for a person; it reaches the caller, so no secret and no vendor text.
            reason: a value of the package's ErrorReason enum without its prefix, such as `RECORD_NOT_OWNED`.
            facts: what a program needs to act on the reason; keys are lower_snake_case.
            retry_after: when a provider said when to come back.
            violations: the fields at fault, for `Invalid`.
            domain: who defined the reason; empty means the service that raises it.
        """
        if not _REASON.fullmatch(reason):
            msg = f"a reason is UPPER_SNAKE_CASE of at most 63 characters, not {reason!r}"
            raise ValueError(msg)
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.facts: dict[str, str] = {key: str(value) for key, value in (facts or {}).items()}
        self.retry_after = retry_after
        self.violations = tuple(violations)
        self.domain = domain

    def __repr__(self) -> str:
        """Show kind, reason and facts: what a log line needs."""
        return f"{type(self).__name__}({self.message!r}, reason={self.reason!r}, facts={self.facts!r})"


class NotFound(Fault):
    """Nothing of that name exists."""

    kind = Kind.NOT_FOUND


class AlreadyExists(Fault):
    """It exists already, and it is not the caller's to take."""

    kind = Kind.ALREADY_EXISTS


class Invalid(Fault):
    """The request can never succeed as it is."""

    kind = Kind.INVALID


class Conflict(Fault):
    """The state of the thing forbids it now; changing that state first may help, repeating the request does not."""

    kind = Kind.CONFLICT


class Aborted(Fault):
    """Somebody else was faster. Read again, decide again, and retry."""

    kind = Kind.ABORTED


class Denied(Fault):
    """The caller is known and may not do this."""

    kind = Kind.DENIED


class Unauthenticated(Fault):
    """The caller is not known."""

    kind = Kind.UNAUTHENTICATED


class Exhausted(Fault):
    """A limit or a quota is used up; `retry_after` says until when, where that is known."""

    kind = Kind.EXHAUSTED


class Unavailable(Fault):
    """Something this depends on is away. The same request may succeed later."""

    kind = Kind.UNAVAILABLE


class Timeout(Fault):
    """No answer came in time. The effect may have happened."""

    kind = Kind.TIMEOUT


class Unimplemented(Fault):
    """The contract promises it, and it is not built or not enabled here."""

    kind = Kind.UNIMPLEMENTED


class Internal(Fault):
    """A bug of ours, or an answer we cannot make sense of."""

    kind = Kind.INTERNAL
