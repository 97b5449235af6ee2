"""Write .env.example from the settings that the members declare, or check that it is current.

python tools/env_example.py write
python tools/env_example.py check
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import pkgutil
import sys
import textwrap
from collections.abc import Iterator

from isolate import ROOT, members
from settingskit import Described, describe

TARGET = ROOT / ".env.example"
HEADER = """\
# Every setting of tenantmesh, with its default. Written by `make env-example` from what the code declares.
#
# A process reads its own variable first: in the dns service DNS_RPC_PORT counts before RPC_PORT, so that one
# environment can serve all processes. An empty variable counts as not set. Durations are written 250ms, 30s, 5m, 2h,
# 1d.
"""


def main() -> int:
    """Write the file, or say how it differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["write", "check"])
    command = parser.parse_args().command
    text = render()
    if command == "write":
        TARGET.write_text(text)
        return 0
    if TARGET.read_text() != text:
        print(".env.example is not what the settings say; run `make env-example`", file=sys.stderr)
        return 1
    return 0


def render() -> str:
    """The whole file: a section a package, each variable where it is first declared."""
    seen: set[str] = set()
    sections = [HEADER]
    for package in packages():
        settings = [item for kind in settings_of(package) for item in describe(kind) if item.name not in seen]
        unique = list({item.name: item for item in settings}.values())
        seen |= {item.name for item in unique}
        if unique:
            title = f"# {'-' * (117 - len(package))} {package}"
            sections.append("\n".join([title, *map(render_one, unique)]) + "\n")
    return "\n".join(sections)


def render_one(item: Described) -> str:
    """One variable: what it means, and its default or that it is required."""
    notes = " (required)" if item.required else ""
    comment = textwrap.fill(item.help + notes, 118, initial_indent="# ", subsequent_indent="# ")
    assignment = f"{item.name}={item.default}"
    return f"\n{comment}\n{assignment if item.required else '# ' + assignment}"


def packages() -> Iterator[str]:
    """The import name of every member with code of its own, libraries first."""
    for folder in members():
        for source in sorted((folder / "src").iterdir()):
            if source.is_dir() and (source / "__init__.py").exists() and folder.name != "contracts":
                yield source.name


def settings_of(package: str) -> Iterator[type]:
    """Every settings dataclass that a module of the package defines, in the order of modules and lines."""
    root = importlib.import_module(package)
    names = [package, *(found.name for found in pkgutil.walk_packages(root.__path__, f"{package}."))]
    for name in names:
        if name.endswith("__main__"):
            continue
        for value in list(vars(importlib.import_module(name)).values()):
            if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == name:
                yield value


if __name__ == "__main__":
    sys.exit(main())
