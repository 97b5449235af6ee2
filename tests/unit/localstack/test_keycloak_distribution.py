"""Unpacking and building Keycloak, with stand-ins for Maven and Java. The real ones are met by its own tests."""

import asyncio
import stat
import sys
import zipfile

import pytest

from localstack.component import Absent
from localstack.servers import keycloak_distribution as distribution

TOP = f"keycloak-{distribution.ARTIFACT.version}"


@pytest.fixture
def java(tmp_path, monkeypatch):
    """Writes the program that is run as java."""
    program = tmp_path / "java" / "bin" / "java"
    program.parent.mkdir(parents=True)
    monkeypatch.setattr(distribution, "java_home", lambda: tmp_path / "java")

    def write(code):
        program.write_text(f"#!{sys.executable}\nimport sys\n{code}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    write("")
    return write


@pytest.fixture
def fetched(monkeypatch):
    """What was asked of Maven, which answers with a small distribution."""
    asked = []

    async def fetch(artifact, folder, environment):
        asked.append((artifact, environment["JAVA_HOME"]))
        file = folder / artifact.file
        with zipfile.ZipFile(file, "w") as archive:
            for name in ("lib/quarkus-run.jar", "conf/keycloak.conf", "providers/README", "themes/README"):
                archive.writestr(f"{TOP}/{name}", name)
            archive.writestr(f"{TOP}/version.txt", "Keycloak")
        return file

    monkeypatch.setattr(distribution, "fetch", fetch)
    return asked


async def test_it_is_fetched_and_built_once_for_all(java, fetched, tmp_path):
    java(
        "import pathlib; pathlib.Path(sys.argv[sys.argv.index('-cp') + 1]).with_name('built').write_text(str(sys.argv))"
    )
    cache = tmp_path / "cache"
    first, second = await asyncio.gather(distribution.provide(cache), distribution.provide(cache))
    assert first == second == await distribution.provide(cache)
    assert fetched == [(distribution.ARTIFACT, str(tmp_path / "java"))]
    built = (first / "lib" / "built").read_text()
    assert all(option in built for option in ("'build'", *distribution.BUILD))
    assert sorted(path.name for path in cache.iterdir()) == [first.name, "keycloak.lock"], "nothing else is left"


async def test_what_could_not_be_built_is_tried_again(java, fetched, tmp_path):
    java("print('no such feature'); sys.exit(2)")
    with pytest.raises(Absent, match="it could not be built: no such feature"):
        await distribution.provide(tmp_path / "cache")
    java("")
    assert (await distribution.provide(tmp_path / "cache")).exists()
    assert len(fetched) == 2


def test_each_server_has_a_home_of_its_own(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for one in (old, new):
        for name in distribution.LINKED:
            (one / name).mkdir(parents=True)
    home = tmp_path / "home"
    distribution.settle(old, home)
    (home / "data").mkdir()
    distribution.settle(new, home)
    assert {link.readlink() for link in home.iterdir() if link.is_symlink()} == {
        new / name for name in distribution.LINKED
    }
    assert (home / "data").is_dir(), "what it wrote stays"


def test_the_runtime_is_there():
    assert (distribution.java_home() / "bin" / "java").exists()
