"""python -m meshctl: the command line."""

from __future__ import annotations

import sys

from meshctl.cli import main

if __name__ == "__main__":
    sys.exit(main())
