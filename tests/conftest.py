"""What every test stands on: real servers, started on first use, and time enough on a busy machine."""

from __future__ import annotations

import hypothesis

pytest_plugins = ["tests.fixtures.servers"]

hypothesis.settings.register_profile("patient", deadline=None)  # the machine may be busy with the other tests
hypothesis.settings.load_profile("patient")
