"""Start the tenants service: `python -m tenants_service`. An errand has a name: `python -m tenants_service migrate`."""

import sys

from chassis import run
from tenants_service import app


def main() -> int:
    """Do what the command line says, and answer the exit code."""
    return run(app.command(sys.argv[1:]), settings=app.SETTINGS)


if __name__ == "__main__":
    sys.exit(main())
