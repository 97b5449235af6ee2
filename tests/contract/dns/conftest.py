"""The suite runs over every provider in the registry, on every server it is known to work with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from tests.fixtures.dnsproviders import OPENERS, bind, knot, powerdns, responder, route53

from dns_service.model import Record

__all__ = ["bind", "knot", "powerdns", "responder", "route53"]

Opener = Callable[[list[Record]], AbstractAsyncContextManager[Any]]


@pytest.fixture(params=sorted(OPENERS))
def opener(request: pytest.FixtureRequest) -> Opener:
    """Opens the provider with some records that somebody else made in the zone example.com."""
    server, opened = OPENERS[request.param]
    running = request.getfixturevalue(server) if server else None
    return lambda foreign: opened(running, foreign)
