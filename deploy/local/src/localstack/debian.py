"""Servers that are Debian packages: used where they are installed, else unpacked into a folder, without being root.

apt finds, checks and downloads the package and those of its dependencies that the machine lacks, with its own state in
our folder; dpkg-deb unpacks them there; nothing of the machine is changed.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localstack.component import Absent
from localstack.downloads import alone
from localstack.process import finish

SYSTEM_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
APPARMOR = Path("/etc/apparmor.d")
PROGRAM_FOLDERS = ("usr/sbin", "usr/bin", "sbin", "bin")
LIBRARY = re.compile(r"\.so(\.[0-9.]+)?$")
LISTS_KEEP = 3600


@dataclass(frozen=True, slots=True)
class Package:
    """A program and the Debian package it is in."""

    name: str
    program: str


@dataclass(frozen=True, slots=True)
class Program:
    """A program that can be run, and the folders of the libraries that came with it."""

    path: Path
    libraries: tuple[Path, ...] = ()

    def environment(self) -> Mapping[str, str]:
        """What its process needs to find its libraries."""
        return {"LD_LIBRARY_PATH": ":".join(map(str, self.libraries))} if self.libraries else {}


def locate(package: Package, cache: Path) -> Program | None:
    """The program, if the machine or the cache has it."""
    found = shutil.which(package.program, path=SYSTEM_FOLDERS)
    if found and not _confined(Path(found)):
        return Program(Path(found))
    return _unpacked(package, cache / package.name)


async def provide(package: Package, cache: Path) -> Program:
    """The program, fetched and unpacked first where that is needed. Side by side, one fetches and the others wait."""
    program = locate(package, cache)
    if program:
        return program
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool, path=SYSTEM_FOLDERS):
            msg = f"{package.name} is not installed, and there is no {tool} to fetch it with"
            raise Absent(msg)
    async with alone(cache / "lock"):
        return locate(package, cache) or await _fetch(package, cache)


async def _fetch(package: Package, cache: Path) -> Program:
    apt = _configure(cache / "apt")
    lists = cache / "apt" / "updated"
    if not lists.exists() or time.time() - lists.stat().st_mtime > LISTS_KEEP:
        await _run(cache, apt, "apt-get", "-q", "update")
        lists.touch()
    await _run(
        cache, apt, "apt-get", "-q", "-y", "--no-install-recommends", "--reinstall", "--download-only",
        "install", package.name,
    )  # fmt: skip
    draft = cache / f".{package.name}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    archives = cache / "apt" / "cache" / "archives"
    for archive in sorted(archives.glob("*.deb")):
        await _run(cache, apt, "dpkg-deb", "-x", str(archive), str(draft))
        archive.unlink()
    draft.rename(cache / package.name)
    program = locate(package, cache)
    if program is None:
        msg = f"the package {package.name} has no program {package.program}"
        raise Absent(msg)
    return program


async def _run(cache: Path, config: Path, *command: str) -> None:
    """Run a tool of Debian's with our configuration."""
    code, output = await finish(command, cache, {"APT_CONFIG": str(config), "LC_ALL": "C"})
    if code:
        last = output.strip().splitlines()[-1:] or [f"exit code {code}"]
        msg = f"{' '.join(command[:1])} failed: {last[0]}"
        raise Absent(msg)


def _configure(folder: Path) -> Path:
    """Configure apt to keep its state in the folder and to run no hooks; the rest is as the machine has it."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    first, last = folder / "first.conf", folder / "last.conf"
    machine = Path("/etc/apt/apt.conf")
    last.write_text(
        (f'#include "{machine}";\n' if machine.exists() else "")
        + f"""
#clear APT::Update;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Invoke;
#clear Acquire::IndexTargets;
Acquire::IndexTargets::deb::Packages {{ MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages";
  flatMetaKey "Packages"; ShortDescription "Packages"; Description "$(RELEASE)/$(COMPONENT) Packages"; }};
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "15";
Acquire::https::Timeout "15";
APT::Sandbox::User "";
Debug::NoLocking "true";
Dir::State "{folder}/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "{folder}/cache";
"""
    )
    # apt reads the file that APT_CONFIG names, then the machine's parts, then this one: the last word clears hooks.
    first.write_text(f'Dir::Etc::main "{last}";\n')
    return first


def _unpacked(package: Package, root: Path) -> Program | None:
    found = [root / folder / package.program for folder in PROGRAM_FOLDERS]
    path = next((one for one in found if one.exists()), None)
    if path is None:
        return None
    files = (file for folder in ("lib", "usr/lib") for file in (root / folder).rglob("*.so*"))
    return Program(path, tuple(sorted({file.parent for file in files if LIBRARY.search(file.name)})))


def _confined(path: Path) -> bool:
    """Whether the machine confines the installed program to its own folders, where ours are not."""
    return (APPARMOR / str(path).lstrip("/").replace("/", ".")).exists()
