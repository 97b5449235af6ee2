"""What every test stands on: real servers, started on first use, and time enough on a busy machine."""

from __future__ import annotations

import signal

import hypothesis

pytest_plugins = ["tests.fixtures.servers"]

hypothesis.settings.register_profile("patient", deadline=None)  # the machine may be busy with the other tests
hypothesis.settings.load_profile("patient")

# Whoever is started in the background by a shell ignores Ctrl-C, and so do its children. Those the tests interrupt must
# not.
signal.signal(signal.SIGINT, signal.default_int_handler)
