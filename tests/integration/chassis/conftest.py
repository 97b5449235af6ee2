import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

PROCESS = Path(__file__).with_name("example_process.py")


@contextmanager
def running(**environ):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    wanted = {"PATH": os.environ["PATH"], "MESH_MODE": "development", "RPC_PORT": str(port), **environ}
    pipe = subprocess.PIPE
    started = subprocess.Popen([sys.executable, PROCESS], env=wanted, stdout=pipe, stderr=pipe, text=True)
    try:
        yield started, f"127.0.0.1:{port}"
    finally:
        started.kill()
        started.communicate()


@pytest.fixture
def process():
    """Starts the example process with these settings; gives it and where it is."""
    return running
