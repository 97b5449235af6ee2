"""Start the infrastructure service: `python -m infrastructure_service`, or the command `tenantmesh-infrastructure`."""

import sys

from chassis import run
from infrastructure_service import app


def main() -> int:
    """Serve, and answer the exit code."""
    return run(app.main, settings=app.settings())


if __name__ == "__main__":
    sys.exit(main())
