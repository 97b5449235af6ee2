"""What name servers said of a record, and what follows from it."""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta


class Outcome(enum.Enum):
    """What one name server answered, seen from the record that is expected."""

    MATCH = "match"
    MISMATCH = "mismatch"
    ABSENT = "absent"
    ERROR = "error"
    TIMEOUT = "timeout"


class VerificationState(enum.Enum):
    """How far a record has reached the servers that answer for it."""

    WAITING_FOR_AUTHORITATIVE = "waiting_for_authoritative"
    WAITING_FOR_RESOLVERS = "waiting_for_resolvers"
    VERIFIED = "verified"
    NOT_LOOKED_UP = "not_looked_up"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What one name server said last."""

    server: str
    authoritative: bool
    outcome: Outcome
    values: tuple[str, ...] = ()
    serial: int = 0
    detail: str = ""
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """How the verification of a record stands after one round of questions."""

    state: VerificationState
    answers: tuple[ServerAnswer, ...] = ()
    rounds: int = 0
    detail: str = ""


class ReplyKind(enum.Enum):
    """What became of one question to one server."""

    ANSWERED = "answered"
    ABSENT = "absent"
    FAILED = "failed"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Server:
    """A name server, at one of its addresses."""

    name: str
    address: str
    port: int = 53

    @classmethod
    def parse(cls, text: str) -> Server:
        """The server at an address, with a port where it is not the usual one; ValueError when it is none."""
        host, _, port = text.rpartition(":")
        if not host or (":" in host and not host.startswith("[")):
            host, port = text, str(_USUAL_PORT)
        address = str(ipaddress.ip_address(host.strip("[]")))
        if not 0 < int(port) <= _LAST_PORT:
            msg = f"{port} is no port"
            raise ValueError(msg)
        return cls(address, address, int(port))

    def __str__(self) -> str:
        """What a person recognises it by."""
        if not self.address:
            return self.name
        address = f"[{self.address}]" if ":" in self.address else self.address
        at = self.address if self.port == _USUAL_PORT else f"{address}:{self.port}"
        return at if self.name == self.address else f"{self.name} ({at})"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from one server, before anybody judged it."""

    kind: ReplyKind
    values: tuple[str, ...] = ()
    with_authority: bool = False
    serial: int = 0
    keeps: timedelta = timedelta()
    """For how long a resolver will go on saying the same."""
    detail: str = ""


_USUAL_PORT = 53
_LAST_PORT = 65_535
