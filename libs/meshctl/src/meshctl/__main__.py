"""meshctl, or python -m meshctl: the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit code."""
    # gRPC's own log is not for a person at a terminal. It reads this once, when it is first imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from meshctl import cli

    return cli.main(words)


if __name__ == "__main__":
    sys.exit(main())
