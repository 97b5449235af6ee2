"""Start the notifications service: `python -m notifications_service`, or the command `tenantmesh-notifications`."""

import sys

from chassis import run
from notifications_service import app


def main() -> int:
    """Do what the command line asks for, and answer the exit code."""
    return run(app.command(sys.argv[1:]), settings=app.settings())


if __name__ == "__main__":
    sys.exit(main())
