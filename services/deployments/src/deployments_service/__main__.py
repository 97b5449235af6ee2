"""Start the deployments service: `python -m deployments_service`, or the command `tenantmesh-deployments`."""

import sys

from chassis import run
from deployments_service import app


def main() -> int:
    """Serve, and answer the exit code."""
    return run(app.main, settings=app.settings())


if __name__ == "__main__":
    sys.exit(main())
