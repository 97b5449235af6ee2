"""Permissions are dotted words such as `dns.records.write`; a grant is one of them, or a pattern with `*`.

`*` alone grants everything; elsewhere it stands for one word (`dns.*.read`), and as the last word for all that follow
(`dns.*` grants `dns.records.write`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

PUBLIC = "public"
"""What a method's contract says when anybody may call it."""

INTROSPECTION = "chassis.introspection.read"
"""What a caller needs for server reflection and channelz."""

_PATTERN = re.compile(r"(\*|[a-z][a-z0-9_-]*)(\.(\*|[a-z][a-z0-9_-]*))*")


def is_pattern(text: str) -> bool:
    """Whether `text` is a permission or a pattern of permissions."""
    return _PATTERN.fullmatch(text) is not None


def grants(pattern: str, permission: str) -> bool:
    """Whether holding `pattern` includes `permission`."""
    words, wanted = pattern.split("."), permission.split(".")
    if words[-1] == "*" and len(words) <= len(wanted):
        words, wanted = words[:-1], wanted[: len(words) - 1]
    return len(words) == len(wanted) and all(word in ("*", want) for word, want in zip(words, wanted, strict=True))


class Permissions:
    """An immutable set of grants that remembers its answers: a method asks for the same permission on every call."""

    __slots__ = ("_answers", "_patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = frozenset(patterns)
        self._answers: dict[str, bool] = {}

    def __contains__(self, permission: str) -> bool:
        answer = self._answers.get(permission)
        if answer is None:
            answer = any(grants(pattern, permission) for pattern in self._patterns)
            self._answers[permission] = answer
        return answer

    def __repr__(self) -> str:
        return f"Permissions({sorted(self._patterns)})"
