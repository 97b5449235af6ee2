"""What is said about credentials: how they stand, what makes a good one, and who may have one."""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import secrets
import string
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from faults import Conflict, Fault, Invalid, NotFound

SHORTEST, LONGEST = 8, 128
_GENERATED = 28
_CLASSES = (
    ("no lower-case letter", str.islower),
    ("no upper-case letter", str.isupper),
    ("no digit", str.isdigit),
    ("no other character", lambda letter: not letter.isalnum()),
)
# No letters that look like another, and no others that a shell, a URL or a form takes for its own.
_ALPHABETS = ("abcdefghijkmnpqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789", "-_.")
# What satisfies the classes and is tried first. Compared without what is added most often: digits and signs at the end.
_REFUSED = frozenset(
    {
        "abc", "abcd", "abcdef", "admin", "administrator", "changeit", "changeme", "default", "demo", "geheim", "guest",
        "hallo", "hello", "iloveyou", "letmein", "login", "master", "monkey", "p@ssw0rd", "p@ssword", "pa$$w0rd",
        "pa$$word", "passw0rd", "password", "passwort", "qwert", "qwerty", "qwertz", "root", "secret", "spring",
        "summer", "autumn", "winter", "superuser", "temp", "tenant", "test", "tester", "user", "welcome", "willkommen",
    }
)  # fmt: skip
_TOKEN_BYTES = 32
_ID_BYTES = 16


class Kind(enum.Enum):
    """What a credential is."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind
    CLIENT_SECRET = "client_secret"  # noqa: S105 - the name of a kind
    SSO_CLIENT_SECRET = "sso_client_secret"  # noqa: S105 - the name of a kind


class State(enum.Enum):
    """How a credential stands."""

    STAGED = "staged"
    SPENT = "spent"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Credential:
    """Everything about a secret but the secret.

    `source` is what asked for it: the same source is never given a second one. `place` is the realm or organization it
    is for, `claim_digest` what tells the newest claim token.
    """

    tenant_id: UUID
    credential_id: UUID
    kind: Kind
    source: str
    create_time: datetime
    expire_time: datetime
    generated: bool = False
    subject: str = ""
    issuer: str = ""
    place: str = ""
    spend_time: datetime | None = None
    claim_digest: bytes = b""

    def state(self, now: datetime) -> State:
        """How it stands at that time."""
        if self.spend_time is not None:
            return State.SPENT
        return State.STAGED if now < self.expire_time else State.EXPIRED


@dataclass(frozen=True, slots=True)
class Kept:
    """A credential as it is kept: sealed while it waits, None once it is forgotten."""

    credential: Credential
    sealed: bytes | None


@dataclass(frozen=True, slots=True)
class Handover:
    """What the holder of a claim token gets."""

    secret: str
    kind: Kind
    subject: str
    issuer: str

    def __repr__(self) -> str:
        return f"Handover(kind={self.kind}, subject={self.subject!r})"


def check_password(password: str) -> None:
    """Raise PASSWORD_TOO_WEAK unless it keeps the policy."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise password_too_weak(f"must have {SHORTEST} to {LONGEST} characters")
    for lack, has in _CLASSES:
        if not any(map(has, password)):
            raise password_too_weak(f"has {lack}")
    if password.lower().rstrip(string.digits + string.punctuation) in _REFUSED:
        raise password_too_weak("is one of those that are tried first")


def new_secret() -> str:
    """A secret of all four classes that nobody can guess: about 160 bits."""
    letters = [secrets.choice(alphabet) for alphabet in _ALPHABETS]
    letters += [secrets.choice("".join(_ALPHABETS)) for _ in range(_GENERATED - len(letters))]
    secrets.SystemRandom().shuffle(letters)
    return "".join(letters)


def new_token(credential: Credential) -> str:
    """A claim token: it says which credential it is for, and the rest of it cannot be guessed."""
    raw = credential.tenant_id.bytes + credential.credential_id.bytes + secrets.token_bytes(_TOKEN_BYTES)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def digest_of(token: str) -> bytes:
    """What tells a token and does not give it away."""
    return hashlib.sha256(token.encode()).digest()


def opens(token: str, credential: Credential) -> bool:
    """Whether it is the credential's newest claim token."""
    return hmac.compare_digest(digest_of(token), credential.claim_digest)


def meant_by(token: str) -> tuple[UUID, UUID]:
    """Tenant and credential of a claim token, by its own word; CLAIM_NOT_FOUND where it is none."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise claim_not_found() from None
    if len(raw) != _ID_BYTES + _ID_BYTES + _TOKEN_BYTES:
        raise claim_not_found()
    return UUID(bytes=raw[:_ID_BYTES]), UUID(bytes=raw[_ID_BYTES : 2 * _ID_BYTES])


def password_too_weak(rule: str) -> Fault:
    """The password breaks the policy."""
    return Invalid("The password is too weak.", reason="PASSWORD_TOO_WEAK", facts={"rule": rule})


def credential_not_found(credential_id: UUID) -> Fault:
    """The tenant has no such credential."""
    return NotFound(
        "There is no such credential.", reason="CREDENTIAL_NOT_FOUND", facts={"credential_id": credential_id}
    )


def credential_gone(credential_id: UUID, state: State) -> Fault:
    """It was used or claimed, or waited too long."""
    text = "was used already" if state is State.SPENT else "waited too long"
    return Conflict(
        f"The credential {text}.", reason=f"CREDENTIAL_{state.name}", facts={"credential_id": credential_id}
    )


def claim_not_found() -> Fault:
    """Nothing waits for that claim token."""
    return NotFound("No credential waits for this claim token.", reason="CLAIM_NOT_FOUND")


def claim_gone(credential: Credential, state: State) -> Fault:
    """It was claimed already, or its time is over."""
    if state is State.SPENT:
        facts = {"spend_time": (credential.spend_time or credential.create_time).isoformat()}
        return Conflict("The credential was claimed already.", reason="CLAIM_SPENT", facts=facts)
    facts = {"expire_time": credential.expire_time.isoformat()}
    return Conflict("The time to claim the credential is over.", reason="CLAIM_EXPIRED", facts=facts)


def request_id_reused() -> Fault:
    """The same name for two requests."""
    return Invalid("This request_id was used for another request.", reason="REQUEST_ID_REUSED", domain="tenantmesh")
