"""Run deptry over each member: what it imports it declares, and what it declares it imports."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

from isolate import ROOT, members


def main() -> int:
    """Check every member that has code; answer 1 if one of them fails."""
    names = {project_of(folder): folder for folder in members()}
    modules = ",".join(f"{name}={'|'.join(packages_of(folder))}" for name, folder in names.items())
    deptry = Path(sysconfig.get_path("scripts")) / "deptry"
    failed = 0
    for folder in names.values():
        if folder.name == "contracts":
            continue  # generated
        command = [str(deptry), "src", "--config", "pyproject.toml", "--package-module-name-map", modules]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
        if done.returncode:
            failed += 1
            print(f"{folder.relative_to(ROOT)}\n{done.stdout}{done.stderr}", file=sys.stderr)
    print(f"dependencies: {len(names)} members, {failed} with problems")
    return 1 if failed else 0


def project_of(folder: Path) -> str:
    """The name a member is installed by."""
    return str(tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"])


def packages_of(folder: Path) -> list[str]:
    """The names a member is imported by."""
    return sorted(path.name for path in (folder / "src").iterdir() if path.is_dir())


if __name__ == "__main__":
    sys.exit(main())
