"""Keeping secrets out of what is written down: by the name of a field, and by the look of a text.

It rather hides too much than too little: `token: expired` loses its second word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from typing import Any, Final

HIDDEN: Final = "***"

_KEYS: Final = r"(?:api|access|private|signing|encryption|master|validation|session|account|ssh|tls)[_-]?key|kek"
_SECRET_WORDS: Final = rf"passw(?:or)?d|passphrase|secret|token|authori[sz]ation|cookie|credentials?|{_KEYS}"
_SECRET_NAME: Final = re.compile(_SECRET_WORDS, re.IGNORECASE)

# One pass over a text; the first alternative that fits at a position wins, so whole values stand before their parts.
_SECRET_TEXT: Final = re.compile(
    r"(?P<pem>-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z))"
    r"|(?P<userinfo>(?<=://)[^\s:/@]{0,128}:\S{0,512}@|(?<=://)[^\s:/@]{20,512}@)"
    r"|(?i:(?P<scheme>\b(?:bearer|basic) +)[\w.~+/=-]{8,})"
    r"|(?i:(?P<cookie>\bcookie[\"']?\s*[:=]\s*)[^\r\n]+)"
    rf"|(?i:(?P<name>(?:{_SECRET_WORDS})\w*[\"']?\s*[:=]\s*(?:(?:bearer|basic) +)?)"
    r"(?:\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|[^\s,;&\"'}\])]+))"
    r"|(?P<jwt>\beyJ[\w-]{6,}(?:\.[\w-]*){1,4})",
    re.DOTALL,
)
# Every match above contains one of these, in lower case. Most texts contain none and need no slow search.
_SIGNS: Final = (
    *("://", "eyj", "-----", "bearer", "basic"),
    *("passw", "passphrase", "secret", "token", "auth", "cookie", "credential", "key", "kek"),
)
_DEPTH: Final = 6
_LONGEST: Final = 16_384  # container runtimes split longer lines, and nobody reads them


@lru_cache(maxsize=1024)
def names_secret(name: str) -> bool:
    """Whether a field of that name holds something nobody may read."""
    return _SECRET_NAME.search(name) is not None


def redact(text: str) -> str:
    """The text without passwords in addresses, tokens, keys and what looks like them; the end of a long one is cut."""
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…"
    # What is a single word without these cannot match: that spares most fields of most lines the rest.
    if ":" not in text and "=" not in text and " " not in text and "eyJ" not in text:
        return text
    lowered = text.lower()
    for sign in _SIGNS:
        if sign in lowered:
            return _SECRET_TEXT.sub(_hide, text)
    return text


def clean(value: Any) -> Any:
    """A value that is safe to write as JSON: secrets hidden, unknown types as text, nothing endless. Never raises."""
    try:
        return _clean(value, _DEPTH)
    except Exception as error:  # noqa: BLE001 - somebody else's __str__ or items() may fail in any way
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return redact(value)
    if value is None or (isinstance(value, float) and isfinite(value)) or _fits(value):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping) and depth:
        return {str(key): HIDDEN if names_secret(str(key)) else _clean(each, depth - 1) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and depth:
        return [_clean(each, depth - 1) for each in value]
    return redact(str(value))


def _fits(value: object) -> bool:
    return isinstance(value, int) and -(2**63) <= value < 2**64


def _hide(match: re.Match[str]) -> str:
    if match["userinfo"] is not None:
        user, colon, _ = match["userinfo"].partition(":")
        return f"{user}:{HIDDEN}@" if colon else f"{HIDDEN}@"
    return f"{match['scheme'] or match['cookie'] or match['name'] or ''}{HIDDEN}"
