"""Fetching artifacts, with a tool that stands in for Maven. The real one is met where Keycloak is started."""

import hashlib
import os
import stat
import sys
import textwrap

import pytest

from localstack import maven
from localstack.component import Absent
from localstack.maven import Artifact

CONTENT = b"content"
ARTIFACT = Artifact("org.example", "server", "1.2", "zip", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def mvn(tmp_path, monkeypatch):
    """Writes the program that is found as mvn."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def write(code):
        path = folder / "mvn"
        path.write_text(f"#!{sys.executable}\nimport os, pathlib, sys\n{textwrap.dedent(code)}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write


COPY = """
    told = dict(word[2:].split("=", 1) for word in sys.argv if word.startswith("-D"))
    group, name, version, kind = told["artifact"].split(":")
    pathlib.Path(told["outputDirectory"], f"{name}-{version}.{kind}").write_bytes(os.environ["CONTENT"].encode())
"""


async def test_the_file_is_fetched_and_checked(mvn, tmp_path):
    mvn(COPY)
    file = await maven.fetch(ARTIFACT, tmp_path, {"CONTENT": "content"})
    assert file == tmp_path / "server-1.2.zip"
    assert file.read_bytes() == CONTENT


async def test_another_file_than_the_known_one_is_refused(mvn, tmp_path):
    mvn(COPY)
    with pytest.raises(Absent, match=r"server-1\.2\.zip is not the file it should be: its SHA-256 differs"):
        await maven.fetch(ARTIFACT, tmp_path, {"CONTENT": "forged"})


async def test_without_maven_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Absent, match=r"server-1\.2\.zip is a Maven artifact, and there is no mvn to fetch it with"):
        await maven.fetch(ARTIFACT, tmp_path, os.environ)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("print('[ERROR] no such host\\n[ERROR] Re-run Maven with -e'); sys.exit(1)", "no such host$"),
        ("sys.exit(7)", "exit code 7$"),
    ],
)
async def test_what_maven_complains_of_is_told(mvn, tmp_path, code, told):
    mvn(code)
    with pytest.raises(Absent, match=f"mvn could not fetch org.example:server:1.2:zip: {told}"):
        await maven.fetch(ARTIFACT, tmp_path, {})
