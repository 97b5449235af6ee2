"""Start the storage service: `python -m storage_service`, or the command `tenantmesh-storage`."""

import sys

from chassis import run
from storage_service import app


def main() -> int:
    """Serve, and answer the exit code."""
    return run(app.main, settings=app.settings())


if __name__ == "__main__":
    sys.exit(main())
