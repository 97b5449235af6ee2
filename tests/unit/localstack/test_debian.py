"""Fetching packages, with tools that stand in for Debian's. The real ones are met by the DNS server's own tests."""

import asyncio
import os
import shutil
import stat
import sys
import textwrap

import pytest

from localstack import debian
from localstack.component import Absent
from localstack.debian import Package, Program

TOOL = Package("toolbox", "tool")


class Debian:
    """Stand-ins for apt-get and dpkg-deb on a PATH of their own, and a list of what was asked of them."""

    def __init__(self, folder):
        self.folder = folder
        self.calls = folder / "calls"
        self.write("apt-get", """
            import os, pathlib, re, subprocess, sys
            config = pathlib.Path(os.environ["APT_CONFIG"]).read_text()
            last = pathlib.Path(re.search('Dir::Etc::main "(.*)";', config)[1]).read_text()
            cache = pathlib.Path(re.search('Dir::Cache "(.*)";', last)[1])
            if "install" in sys.argv:
                (cache / "archives" / "toolbox_1.deb").write_text(sys.argv[-1])
        """)  # fmt: skip
        self.write("dpkg-deb", """
            import pathlib, sys
            root = pathlib.Path(sys.argv[3])
            for path in ("usr/bin/tool", "usr/lib/x86_64-linux-gnu/libtool.so.1.2", "usr/lib/tool.socket"):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text("#!/bin/sh\\n")
                (root / path).chmod(0o755)
        """)  # fmt: skip

    def write(self, name, code):
        path = self.folder / name
        note = f"import sys\nopen({str(self.calls)!r}, 'a').write(' '.join(sys.argv) + '\\n')\n"
        path.write_text(f"#!{sys.executable}\n{note}{textwrap.dedent(code)}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def asked(self, word):
        return [line for line in self.calls.read_text().splitlines() if word in line] if self.calls.exists() else []


@pytest.fixture
def tools(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    made = Debian(folder)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(debian, "SYSTEM_FOLDERS", str(folder))
    return made


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


async def test_an_installed_program_is_used(tools, cache):
    tools.write("tool", "")
    program = await debian.provide(TOOL, cache)
    assert program == Program(tools.folder / "tool")
    assert program.environment() == {}
    assert not cache.exists()


async def test_a_missing_one_is_fetched_unpacked_and_found_again(tools, cache):
    program = await debian.provide(TOOL, cache)
    root = cache / "toolbox"
    assert program == Program(root / "usr/bin/tool", (root / "usr/lib/x86_64-linux-gnu",))
    assert program.environment() == {"LD_LIBRARY_PATH": f"{root}/usr/lib/x86_64-linux-gnu"}
    assert await debian.provide(TOOL, cache) == program
    assert len(tools.asked("install")) == 1
    assert "--download-only install toolbox" in tools.asked("install")[0]
    assert list((cache / "apt/cache/archives").glob("*.deb")) == []


async def test_those_who_want_it_at_the_same_time_fetch_it_once(tools, cache):
    programs = await asyncio.gather(*(debian.provide(TOOL, cache) for _ in range(5)))
    assert len(set(programs)) == 1
    assert len(tools.asked("install")) == 1


async def test_the_lists_are_fetched_again_when_they_are_old(tools, cache):
    for _ in range(2):
        await debian.provide(TOOL, cache)
        shutil.rmtree(cache / "toolbox")
    assert len(tools.asked("update")) == 1
    os.utime(cache / "apt/updated", (0, 0))
    await debian.provide(TOOL, cache)
    assert len(tools.asked("update")) == 2


@pytest.mark.usefixtures("tools")
async def test_apt_keeps_to_our_folder_and_runs_no_hooks(cache):
    await debian.provide(TOOL, cache)
    last = (cache / "apt/last.conf").read_text()
    assert f'Dir::State "{cache}/apt/state";' in last
    assert f'Dir::Cache "{cache}/apt/cache";' in last
    assert "#clear DPkg::Post-Invoke;" in last
    assert "#clear APT::Update;" in last


async def test_a_machine_without_apt_says_so(monkeypatch, cache):
    monkeypatch.setattr(debian, "SYSTEM_FOLDERS", "/nonexistent")
    with pytest.raises(Absent, match="toolbox is not installed, and there is no apt-get to fetch it with"):
        await debian.provide(TOOL, cache)


async def test_what_apt_says_is_passed_on(tools, cache):
    tools.write("apt-get", "print('E: Unable to locate package toolbox'); sys.exit(100)")
    with pytest.raises(Absent, match="apt-get failed: E: Unable to locate package toolbox"):
        await debian.provide(TOOL, cache)
    tools.write("apt-get", "sys.exit(7)")
    with pytest.raises(Absent, match="apt-get failed: exit code 7"):
        await debian.provide(TOOL, cache)


@pytest.mark.usefixtures("tools")
async def test_a_package_without_the_program_says_so(cache):
    with pytest.raises(Absent, match="the package toolbox has no program other"):
        await debian.provide(Package("toolbox", "other"), cache)


@pytest.mark.usefixtures("tools")
async def test_an_interrupted_unpacking_is_not_taken_for_the_whole(cache):
    half = cache / ".toolbox" / "usr" / "bin"
    half.mkdir(parents=True)
    (half / "tool").write_text("half")
    assert debian.locate(TOOL, cache) is None
    program = await debian.provide(TOOL, cache)
    assert program.path.read_text().startswith("#!")


async def test_a_confined_program_is_not_used(tools, cache, monkeypatch, tmp_path):
    tools.write("tool", "")
    monkeypatch.setattr(debian, "APPARMOR", tmp_path / "apparmor.d")
    profile = tmp_path / "apparmor.d" / str(tools.folder / "tool").lstrip("/").replace("/", ".")
    profile.parent.mkdir()
    profile.touch()
    assert (await debian.provide(TOOL, cache)).path == cache / "toolbox/usr/bin/tool"
