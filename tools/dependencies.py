"""Run deptry over each member: what it imports it declares, and what it declares it imports."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

from isolate import ROOT, members


def main() -> int:
    """Check every member that has code; answer 1 if one of them fails."""
    deptry = Path(sysconfig.get_path("scripts")) / "deptry"
    failed = 0
    for folder in members():
        if folder.name == "contracts":
            continue  # generated
        command = [str(deptry), "src", "--config", "pyproject.toml"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
        if done.returncode:
            failed += 1
            print(f"{folder.relative_to(ROOT)}\n{done.stdout}{done.stderr}", file=sys.stderr)
    print(f"dependencies: {len(members())} members, {failed} with problems")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
