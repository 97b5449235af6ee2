"""What makes redirect URIs and web origins safe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from faults import Fault, Invalid
from identity_service.model import ClientType

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# Schemes that browsers run, read files with, or hand to somebody else than one application.
_UNSAFE = frozenset(
    {"about", "blob", "data", "file", "filesystem", "ftp", "intent", "javascript", "mailto", "sms", "tel", "vbscript",
     "view-source", "ws", "wss"}
)  # fmt: skip
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f\\]")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client shall be like. An empty display name takes the organization's."""

    name: str
    display_name: str
    type: ClientType
    domains: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    web_origins: tuple[str, ...]

    @property
    def all_redirect_uris(self) -> tuple[str, ...]:
        """Where people may be sent back to: anywhere on the domains, and what was said beside."""
        return tuple(dict.fromkeys([*(f"https://{domain}/*" for domain in self.domains), *self.redirect_uris]))

    @property
    def all_web_origins(self) -> tuple[str, ...]:
        """From where browsers may call: the domains, and what was said beside."""
        return tuple(dict.fromkeys([*(f"https://{domain}" for domain in self.domains), *self.web_origins]))

    def check(self) -> None:
        """Raise REDIRECT_URI_INVALID for the first URI that is none, or is unsafe."""
        for uri in self.redirect_uris:
            check_redirect_uri(uri)
        for origin in self.web_origins:
            check_web_origin(origin)


def check_redirect_uri(uri: str) -> None:
    """Take https, http on the loopback, or a scheme of the application's own; a `*` at the end of a path only."""
    parts = _parts(uri)
    if parts.scheme in {"http", "https"}:
        _check_web(uri, parts)
    elif not _SCHEME.fullmatch(parts.scheme) or parts.scheme in _UNSAFE:
        raise redirect_uri_invalid(uri, "must be https, http on the loopback, or a scheme of the application's own")
    if "#" in uri:
        raise redirect_uri_invalid(uri, "must have no fragment")
    if "*" in uri and not (uri.endswith("/*") and uri.count("*") == 1 and "?" not in uri):
        raise redirect_uri_invalid(uri, "may have a * only at the end of its path")


def check_web_origin(origin: str) -> None:
    """Take scheme, host and port, and nothing more."""
    parts = _parts(origin)
    if parts.scheme not in {"http", "https"}:
        raise redirect_uri_invalid(origin, "must be https, or http on the loopback")
    _check_web(origin, parts)
    if parts.path or parts.query or parts.fragment or "*" in origin:
        raise redirect_uri_invalid(origin, "must be scheme, host and port only")


def _parts(uri: str) -> SplitResult:
    if _UNPRINTABLE.search(uri):
        raise redirect_uri_invalid(uri, "must have no spaces, backslashes and control characters")
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        raise redirect_uri_invalid(uri, "is no URI") from None
    return parts


def _check_web(uri: str, parts: SplitResult) -> None:
    if not parts.hostname:
        raise redirect_uri_invalid(uri, "must have a host")
    if "@" in parts.netloc:
        raise redirect_uri_invalid(uri, "must have no user name")
    if "*" in parts.netloc:
        raise redirect_uri_invalid(uri, "must name its host in full")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise redirect_uri_invalid(uri, "must be https, or http on the loopback")


def redirect_uri_invalid(uri: str, rule: str) -> Fault:
    """A redirect URI or web origin is none, or is unsafe."""
    return Invalid("A redirect URI or web origin cannot be used.", reason="REDIRECT_URI_INVALID",
                   facts={"uri": uri, "rule": rule})  # fmt: skip
