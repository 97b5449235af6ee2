"""The programs that come with installed Python packages."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from pathlib import Path


def inside(package: str, path: str) -> Path:
    """A file of a package, found without importing it: some start to work when they are imported."""
    spec = importlib.util.find_spec(package)
    assert spec is not None  # noqa: S101 - what is asked for is a dependency of this package
    assert spec.origin is not None  # noqa: S101 - and none is a namespace package
    return Path(spec.origin).parent / path


def program(name: str) -> str:
    """The path of a program that a package put beside the interpreter, which need not be on the PATH."""
    beside = Path(sysconfig.get_path("scripts")) / name
    if beside.exists():
        return str(beside)
    return str(Path(sys.executable).parent / name)
