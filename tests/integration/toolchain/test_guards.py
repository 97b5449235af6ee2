"""The checks can fail: each promise of `make check` is broken on a scratch copy, and its check turns red."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
PROTO = "proto/tenantmesh/dns/v1/dns_service.proto"
STUB = "libs/contracts/src/tenantmesh/dns/v1/dns_service_pb2.py"
RENAME = ("bool validate_only = 8;", "bool only_validate = 8;")
PERMISSION = '    option (tenantmesh.common.v1.required_permission) = "dns.records.delete";\n'

CONTRACTS = [sys.executable, "tools/proto.py", "check"]
GENERATE = [sys.executable, "tools/proto.py", "generate"]
IMPORTS = [str(BIN / "lint-imports"), "--no-cache"]
DOMAIN = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/architecture"]


class Scratch:
    """A copy of the tree that git tracks, with a history of its own."""

    def __init__(self, folder):
        self.folder = folder
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in filter(None, tracked.split("\0")):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        self.git("init", "--quiet")
        self.commit()

    def git(self, *arguments):
        identity = ["-c", "user.name=scratch", "-c", "user.email=scratch@localhost"]
        return subprocess.run(
            ["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self):
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--message", "Scratch")
        return self.git("rev-parse", "HEAD")

    def edit(self, name, old, new):
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} no longer holds {old!r}"
        path.write_text(text.replace(old, new))

    def append(self, name, line):
        with (self.folder / name).open("a") as file:
            file.write(line)

    def run(self, command):
        sources = [*self.folder.glob("*/*/src"), *self.folder.glob("deploy/local/src")]
        done = subprocess.run(
            command,
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources))},
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def scratch(tmp_path):
    return Scratch(tmp_path / "scratch")


@pytest.mark.parametrize("command", [CONTRACTS, IMPORTS, DOMAIN], ids=["contracts", "imports", "domain"])
def test_untouched_all_is_green(scratch, command):
    code, output = scratch.run(command)
    assert code == 0, output


def test_a_renamed_field_without_new_stubs(scratch):
    scratch.edit(PROTO, *RENAME)
    code, output = scratch.run(CONTRACTS)
    assert code != 0
    assert f"stale or edited by hand: {STUB}" in output


def test_a_renamed_field_of_a_released_contract(scratch):
    (scratch.folder / "proto/RELEASED").write_text(scratch.git("rev-parse", "HEAD"))
    assert scratch.run(CONTRACTS)[0] == 0
    scratch.edit(PROTO, *RENAME)
    assert scratch.run(GENERATE)[0] == 0
    code, output = scratch.run(CONTRACTS)
    assert code != 0
    assert 'changed name from "validate_only" to "only_validate"' in output
    assert "stale" not in output


def test_a_release_that_git_does_not_know(scratch):
    (scratch.folder / "proto/RELEASED").write_text("f" * 40)
    code, output = scratch.run(CONTRACTS)
    assert code != 0
    assert "which git does not know" in output


def test_a_stub_edited_by_hand(scratch):
    scratch.append(STUB, "# a small improvement\n")
    code, output = scratch.run(CONTRACTS)
    assert code != 0
    assert f"stale or edited by hand: {STUB}" in output


def test_a_contract_without_a_comment(scratch):
    scratch.edit(PROTO, "  // The record as the provider holds it.\n", "")
    assert scratch.run(GENERATE)[0] == 0
    code, output = scratch.run(CONTRACTS)
    assert code != 0
    assert "should have a non-empty comment" in output


def test_an_rpc_without_permission(scratch):
    scratch.edit(PROTO, PERMISSION, "")
    assert scratch.run(GENERATE)[0] == 0
    code, output = scratch.run(CONTRACTS)
    assert code != 0
    assert "DeleteRecord" in output
    assert "permission" in output


def test_a_service_that_imports_another(scratch):
    scratch.append("services/storage/src/storage_service/__init__.py", "\nimport dns_service.model\n")
    code, output = scratch.run(IMPORTS)
    assert code != 0
    assert "A service never imports another service BROKEN" in output


@pytest.mark.parametrize("module", ["grpc", "asyncpg", "tenantmesh.dns.v1.record_pb2", "chassis.errors"])
def test_a_domain_module_that_imports_the_outside(scratch, module):
    scratch.append("services/dns/src/dns_service/service.py", f"\nimport {module}\n")
    code, output = scratch.run(DOMAIN)
    assert code != 0
    assert "test_domain_modules_import_only" in output


def test_a_domain_module_that_imports_an_adapter(scratch):
    scratch.append("services/dns/src/dns_service/service.py", "\nimport dns_service.providers.memory\n")
    code, output = scratch.run(IMPORTS)
    assert code != 0
    assert "Inside a service" in output
