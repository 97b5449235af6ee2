"""Internationalised names: what people write, and the ASCII that name servers know (IDNA 2008, UTS 46).

The domain knows ASCII only, for `idna` is no part of the standard library: names are translated at the edge, like the
messages they come in. A name that could be taken for another is refused here too, because only its letters show it.
"""

from __future__ import annotations

import re

import idna

from dns_service.model import name_invalid

_DOTS = re.compile("[.\u3002\uff0e\uff61]")
_ENCODED = "xn--"
_COMMON = frozenset({"COMMON", "INHERITED"})
# Scripts that are written together.
_TOGETHER = (
    frozenset({"HAN", "HIRAGANA", "KATAKANA", "LATIN"}),
    frozenset({"HAN", "BOPOMOFO", "LATIN"}),
    frozenset({"HAN", "HANGUL", "LATIN"}),
)


def to_ascii(text: str) -> str:
    """A name, or a value that ends with one, with each label in its ASCII form; NAME_INVALID where that cannot be."""
    if text.isascii() and _ENCODED not in text.lower():
        return text
    return ".".join(_encode(label, text) for label in _DOTS.split(text))


def to_unicode(name: str) -> str:
    """The name in its own letters; empty where they are the same."""
    if _ENCODED not in name:
        return ""
    return ".".join(_decode(label) for label in name.split("."))


def _encode(label: str, text: str) -> str:
    if label.isascii() and not label.lower().startswith(_ENCODED):
        return label
    try:
        encoded = idna.encode(label, uts46=True).decode()
        letters = idna.decode(encoded)
    except idna.IDNAError:
        raise name_invalid(text, "idn", "is not an internationalised name") from None
    if _can_be_confused(letters):
        raise name_invalid(text, "confusable", "could be taken for another name")
    return encoded


def _decode(label: str) -> str:
    try:
        return idna.decode(label)
    except idna.IDNAError:
        return label  # somebody else's name, which need not keep the rules


def _can_be_confused(label: str) -> bool:
    """Whether scripts are mixed that nobody writes together, or every foreign letter looks like an ASCII one."""
    # Its tables are large, and few names need them.
    from confusable_homoglyphs import (  # type: ignore[import-untyped]  # it comes without types
        categories,
        confusables,
    )

    scripts = frozenset(categories.unique_aliases(label)) - _COMMON
    if len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER):
        return True
    foreign = {letter for letter in label if not letter.isascii()}
    found = confusables.is_confusable("".join(sorted(foreign)), greedy=True) or []
    imitating = {one["character"] for one in found if any(glyph["c"].isascii() for glyph in one["homoglyphs"])}
    return bool(foreign) and foreign == imitating
