"""The one true form of keys, domains and e-mail addresses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from faults import AlreadyExists, Conflict, Fault, Invalid, Violation

# Words that lead a person, or a mail, to the mesh's own pages and people.
_WORDS = """
    account admin administrator api app assets auth billing blog cdn console dashboard docs ftp help hostmaster
    identity imap internal keycloak login logout mail master mesh metrics ns1 ns2 oauth pop3 postmaster public root
    security shared signup smtp sso static status storage support system temporal tenant tenantmesh tenants webmail
    webmaster www
"""
RESERVED = frozenset(_WORDS.split())
_KEY = re.compile(r"[a-z][a-z0-9-]{1,29}[a-z0-9]")
_KEY_LIMIT = 31
_FEWEST = 3
KEY_RULE = "3 to 31 characters: a letter, then letters, digits and hyphens, with no hyphen at the end"
# Labels with hyphens in the third and fourth place mean something to DNS, `xn--` above all.
_DNS_PREFIX = re.compile(r"..--")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_SUFFIX = r"\.(com?\.)?[a-z]{2,}"
_DOMAIN_LIMIT = 253
_LOCAL_LIMIT = 64
_EMAIL_LIMIT = 254
_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a key: the key as its tenant writes it, and until when it rests if that tenant gave it up."""

    key: str
    rest_time: datetime | None = None


def name_of(key: str) -> str:
    """What every target makes of a key, where no two may meet: `acme-corp`, `acme--corp` and `acme_corp` are one."""
    return re.sub(r"[-_]+", "_", key)


def is_key(text: str) -> bool:
    """Whether it has the form of a key."""
    return _KEY.fullmatch(text) is not None


def is_reserved(key: str, more: frozenset[str] = frozenset()) -> bool:
    """Whether the mesh keeps the key for itself."""
    return _DNS_PREFIX.match(key) is not None or key in RESERVED or name_of(key) in {name_of(word) for word in more}


def is_public(domain: str, providers: Iterable[str]) -> bool:
    """Whether a domain is one of these; `gmx.*` is `gmx` under every country and generic suffix, such as `co.uk`."""
    return any(
        re.fullmatch(re.escape(provider.removesuffix(".*")) + _SUFFIX, domain)
        if provider.endswith(".*")
        else provider == domain
        for provider in providers
    )


def key_of(text: str) -> str:
    """The key a name suggests: `Müller & Söhne` suggests `muller-sohne`; empty where it suggests none."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).lstrip("-0123456789")[:_KEY_LIMIT].strip("-")
    return slug if is_key(slug) else ""


def similar_keys(key: str) -> Iterator[str]:
    """Keys like this one, the most similar first."""
    for suffix in ("", *(f"-{number}" for number in range(2, 10)), "-app", "-hq", "-team"):
        candidate = key[: _KEY_LIMIT - len(suffix)].rstrip("-") + suffix
        if is_key(candidate):
            yield candidate


def reserved(key: str) -> Fault:
    """The fault of a key that nobody gets."""
    return Invalid(
        f"The key {key} is reserved.",
        reason="TENANT_KEY_RESERVED",
        facts={"key": key},
        violations=[Violation("key", "is reserved")],
    )


def held(key: str, holder: Holder, now: datetime) -> Fault:
    """The fault of a key that somebody has, or had until a while ago."""
    if holder.rest_time is None or holder.rest_time <= now:
        return AlreadyExists(
            f"The key {key}, or one that leads to the same names, is taken.",
            reason="TENANT_KEY_TAKEN",
            facts={"key": key},
        )
    return Conflict(
        f"The key {key} rests until {holder.rest_time.isoformat()}.",
        reason="TENANT_KEY_QUARANTINED",
        facts={"key": key, "quarantine_expire_time": holder.rest_time.isoformat()},
    )


def parse_domain(text: str, field: str) -> str:
    """A host name in its one true form; it has its ASCII form already where it is an internationalised one."""
    domain = text.strip().lower().removesuffix(".")
    labels = domain.split(".")
    if not domain.isascii():
        raise domain_invalid(text, field, "has no ASCII form")
    if len(domain) > _DOMAIN_LIMIT:
        raise domain_invalid(text, field, f"is longer than {_DOMAIN_LIMIT} characters")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise domain_invalid(text, field, "is no host name")
    if len(labels) < 2:  # noqa: PLR2004 - two labels
        raise domain_invalid(text, field, "has fewer than two labels")
    if labels[-1].isdigit():
        raise domain_invalid(text, field, "is an address, not a name")
    return domain


def parse_email(text: str, field: str) -> str:
    """An e-mail address in its one true form: trimmed, in lower case."""
    local, _, domain = text.strip().lower().rpartition("@")
    if not _LOCAL.fullmatch(local) or len(local) > _LOCAL_LIMIT:
        raise _email_invalid(field)
    try:
        email = f"{local}@{parse_domain(domain, field)}"
    except Invalid:
        raise _email_invalid(field) from None
    if len(email) > _EMAIL_LIMIT:
        raise _email_invalid(field)
    return email


def domain_invalid(domain: str, field: str, rule: str) -> Fault:
    """The fault of a text that is no host name."""
    return Invalid(
        f"The domain {rule}.",
        reason="DOMAIN_INVALID",
        facts={"field": field, "domain": domain, "rule": rule},
        violations=[Violation(field, rule)],
    )


def domain_public(domain: str, field: str) -> Fault:
    """The fault of a host name that is nobody's to sign up with."""
    return Invalid(
        f"{domain} is a public mail provider's.",
        reason="DOMAIN_PUBLIC",
        facts={"field": field, "domain": domain},
        violations=[Violation(field, "is a public mail provider's")],
    )


def domain_taken(domain: str) -> Fault:
    """The fault of a host name another tenant has."""
    return AlreadyExists(f"The domain {domain} is taken.", reason="DOMAIN_TAKEN", facts={"domain": domain})


def _email_invalid(field: str) -> Fault:
    return Invalid(
        "That is no e-mail address.",
        reason="EMAIL_INVALID",
        facts={"field": field},
        violations=[Violation(field, "is no e-mail address")],
    )
