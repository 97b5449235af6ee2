"""What an update may change, by whichever server."""

from __future__ import annotations

UPDATABLE = frozenset({"A", "AAAA", "CNAME", "TXT", "MX", "SRV", "CAA"})
"""The types an update may touch: what delegates a zone, and what says who serves it, is not among them."""
