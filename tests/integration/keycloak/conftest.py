"""What the tests of Keycloak share."""

from __future__ import annotations

import uuid


def fresh_name(prefix: str) -> str:
    """A name that nothing has yet: all tests share one server."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"
