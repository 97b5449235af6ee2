"""Start the worker: `python -m worker_service`, or the command `tenantmesh-worker`."""

import sys

from chassis import run
from worker_service import app


def main() -> int:
    """Work, and answer the exit code."""
    return run(app.main, settings=app.settings())


if __name__ == "__main__":
    sys.exit(main())
