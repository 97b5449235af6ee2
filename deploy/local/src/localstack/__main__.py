"""python -m localstack: start, see and stop the local stack."""

from __future__ import annotations

import sys

from localstack.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
