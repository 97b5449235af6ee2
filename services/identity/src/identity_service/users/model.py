"""What a caller can say about a user, and which addresses are some."""

from __future__ import annotations

import enum
import re
import unicodedata
from dataclasses import dataclass

from identity_service.model import email_invalid

_LONGEST_LOCAL, _LONGEST = 64, 254
# RFC 5322: a dot-atom, or a quoted string; RFC 6531 adds what is not ASCII.
_ATOM = re.compile(r"[^\s\x00-\x1f\x7f\"(),:;<>@\[\\\].]+(\.[^\s\x00-\x1f\x7f\"(),:;<>@\[\\\].]+)*")
_QUOTED = re.compile(r'"([^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])+"')
_LABEL = re.compile(r"[^\W_]([^\W_]|-){0,61}[^\W_]|[^\W_]")


class Handover(enum.Enum):
    """How a person comes by a first password that nobody supplied."""

    CLAIM = "claim"
    PROVIDER_MAIL = "provider_mail"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a user shall be like, and where the first password comes from: a staged credential, or a hand-over."""

    email: str
    given_name: str = ""
    family_name: str = ""
    language: str = ""
    email_verified: bool = False
    credential_id: str = ""
    handover: Handover | None = None
    client_name: str = ""


def parse_email(text: str) -> str:
    """An address in its one true form: composed, in lower case; EMAIL_INVALID where it is none."""
    local, at, domain = unicodedata.normalize("NFC", text.strip()).lower().rpartition("@")
    if not at or not (_ATOM.fullmatch(local) or _QUOTED.fullmatch(local)):
        raise email_invalid("must have the form name@domain")
    if len(local.encode()) > _LONGEST_LOCAL:
        raise email_invalid(f"must have at most {_LONGEST_LOCAL} bytes before the @")
    labels = domain.removesuffix(".").split(".")
    if len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():  # noqa: PLR2004 - name and top
        raise email_invalid("must have a domain name after the @")
    email = f"{local}@{'.'.join(labels)}"
    if len(email.encode()) > _LONGEST:
        raise email_invalid(f"must have at most {_LONGEST} bytes")
    return email
