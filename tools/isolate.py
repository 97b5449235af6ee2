"""Install each member alone, without development packages, import all of its modules, and start what can be started.

One shared environment hides an undeclared import; an environment of its own does not.

    python tools/isolate.py [MEMBER ...]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".local" / "uv" / "bin" / "uv"
IMPORT_ALL = """
import importlib, pathlib, sys
for root in map(pathlib.Path, sys.argv[1:]):
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if parts[-1] != "__main__" and "." not in parts[-1]:
            importlib.import_module(name)
"""


def main(names: list[str]) -> int:
    """Check the named members, or all; answer how many failed."""
    failed = 0
    for folder in members():
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"]
        if names and folder.name not in names and project not in names:
            continue
        problem = isolated(folder, project)
        print(f"{'FAILED' if problem else 'ok':<7}{project}")
        if problem:
            failed += 1
            print(problem, file=sys.stderr)
    return 1 if failed else 0


def members() -> list[Path]:
    """Every workspace member's folder."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    return sorted(path.parent for pattern in patterns for path in ROOT.glob(f"{pattern}/pyproject.toml"))


def isolated(folder: Path, project: str) -> str:
    """What went wrong when `project` was installed and imported alone; empty when nothing did."""
    with tempfile.TemporaryDirectory() as environment:
        sync = run(
            [str(UV), "sync", "--quiet", "--frozen", "--no-dev", "--package", project, "--python", sys.executable],
            UV_PROJECT_ENVIRONMENT=environment,
        )
        if sync:
            return sync
        python = f"{environment}/bin/python"
        packages = [path for path in (folder / "src").iterdir() if path.is_dir()]
        starts = [[python, "-m", one.name, "--help"] for one in packages if (one / "__main__.py").exists()]
        commands = [[python, "-W", "error", "-c", IMPORT_ALL, *map(str, packages)], *starts]
        return next(filter(None, map(run, commands)), "")


def run(command: list[str], **environment: str) -> str:
    """Run a command and answer its output if it failed."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT, env={**inherited, **environment}
    )
    return (done.stdout + done.stderr) if done.returncode else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
