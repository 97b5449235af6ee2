"""Fixtures every test may ask for: real servers, started on first use."""

from __future__ import annotations

pytest_plugins = ["tests.fixtures.servers"]
