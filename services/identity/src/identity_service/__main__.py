"""Start the identity service: `python -m identity_service`, or the command `tenantmesh-identity`."""

import sys

from chassis import run
from identity_service import app


def main() -> int:
    """Serve, and answer the exit code."""
    return run(app.command(sys.argv[1:]), settings=app.settings())


if __name__ == "__main__":
    sys.exit(main())
