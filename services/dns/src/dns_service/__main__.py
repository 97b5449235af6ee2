"""Start the dns service: `python -m dns_service`, or the command `tenantmesh-dns`."""

import sys

from chassis import run
from dns_service import app


def main() -> int:
    """Serve, and answer the exit code."""
    return run(app.main, settings=app.settings())


if __name__ == "__main__":
    sys.exit(main())
