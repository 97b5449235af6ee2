"""Names inside SQL text."""

from __future__ import annotations


def quote(identifier: str) -> str:
    """An identifier as SQL text, whatever is in it."""
    return '"{}"'.format(identifier.replace('"', '""'))
