"""Start the provisioning service: `python -m provisioning_service`, or the command `tenantmesh-provisioning`."""

import sys

from chassis import run
from provisioning_service import app


def main() -> int:
    """Serve, and answer the exit code."""
    return run(app.main, settings=app.settings())


if __name__ == "__main__":
    sys.exit(main())
