"""Generate the Python stubs from proto/, and prove that what is committed is what proto/ says.

    python tools/proto.py generate
    python tools/proto.py check

Nothing of other projects is committed and nothing is fetched: `google/api` and `google/rpc` come from
googleapis-common-protos, `buf/validate` from the descriptor inside protovalidate, protoc from grpcio-tools and buf from
buf-bin.
"""

from __future__ import annotations

import argparse
import filecmp
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2

import contract_rules

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
STUBS = ROOT / "libs" / "contracts" / "src"
RELEASED = PROTO / "RELEASED"
IMPORT_ROOTS = ("tenantmesh", "buf")


def main() -> int:
    """Run the command the caller names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["generate", "check"])
    command = parser.parse_args().command
    if not our_sources():
        print("proto/ holds no .proto file", file=sys.stderr)
        return 1
    return generate() if command == "generate" else check()


def generate() -> int:
    """Replace the committed stubs by freshly generated ones."""
    with tempfile.TemporaryDirectory() as name:
        fresh = Path(name)
        write_stubs(PROTO, fresh)
        for root in IMPORT_ROOTS:
            shutil.rmtree(STUBS / root, ignore_errors=True)
            shutil.copytree(fresh / root, STUBS / root)
    print(f"generated {sum(1 for root in IMPORT_ROOTS for _ in (STUBS / root).rglob('*.py'))} modules")
    return 0


def check() -> int:
    """Fail when the stubs are not what proto/ says, when buf finds fault, or when a released contract is broken."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        stale = stale_stubs(work / "stubs")
        image = work / "image.binpb"
        write_image(PROTO, image)
        problems = [
            *(f"stale or edited by hand: {path} (run `make proto`)" for path in stale),
            *buf("lint", image),
            *contract_rules.problems(contract_rules.read(contract_rules.parse(image.read_bytes()))),
            *breaking(image, work),
        ]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"contracts: {len(our_sources())} files, {len(problems)} problems")
    return 1 if problems else 0


def our_sources(proto: Path = PROTO) -> list[str]:
    """Every .proto file of ours, relative to the import root."""
    return sorted(str(path.relative_to(proto)) for path in proto.rglob("*.proto"))


def write_stubs(proto: Path, out: Path) -> None:
    """Run protoc with the Python, gRPC and typing plugins."""
    out.mkdir(parents=True, exist_ok=True)
    sources = our_sources(proto)
    messages = [*sources, "buf/validate/validate.proto"]
    typing = "readable_stubs"
    protoc(proto, f"--python_out={out}", f"--mypy_out={typing}:{out}", *messages)
    services = [source for source in sources if source.endswith("_service.proto")]
    protoc(proto, f"--grpc_python_out={out}", f"--mypy_grpc_out={typing}:{out}", *services)
    for root in IMPORT_ROOTS:
        # Namespace packages have no __init__.py; each generated leaf is typed.
        (out / root / "py.typed").touch()


def write_image(proto: Path, image: Path) -> None:
    """Write the descriptor image, with comments, that buf reads."""
    protoc(proto, f"--descriptor_set_out={image}", "--include_imports", "--include_source_info", *our_sources(proto))


def protoc(proto: Path, *arguments: str) -> None:
    """Run the protoc of grpcio-tools over `proto` with the third-party imports in reach."""
    with tempfile.TemporaryDirectory() as name:
        validate = Path(name) / "validate.binpb"
        validate.write_bytes(validate_descriptors())
        command = [
            sys.executable, "-m", "grpc_tools.protoc",
            f"--descriptor_set_in={validate}",
            f"-I{proto}",
            f"-I{package_root('google.api')}",
            *arguments,
        ]  # fmt: skip
        # The plugins stand beside the interpreter, which need not be on the PATH.
        path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
        run = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "PATH": path})
        if run.returncode:
            raise SystemExit(run.stderr)


def validate_descriptors() -> bytes:
    """The descriptor of buf/validate/validate.proto and of what it imports, from the protovalidate package."""
    from google.protobuf import descriptor_pool
    from protovalidate._gen.buf.validate import validate_pb

    pool = descriptor_pool.Default()
    bundle = descriptor_pb2.FileDescriptorSet()
    for module in ("descriptor", "duration", "field_mask", "timestamp"):
        importlib.import_module(f"google.protobuf.{module}_pb2")
        pool.FindFileByName(f"google/protobuf/{module}.proto").CopyToProto(bundle.file.add())
    bundle.file.add().ParseFromString(validate_pb.desc().proto.to_binary())
    return bundle.SerializeToString()


def package_root(module: str) -> Path:
    """The folder from which the .proto files beside `module` are imported."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        msg = f"{module} is not installed; run `make setup`"
        raise SystemExit(msg)
    return Path(next(iter(spec.submodule_search_locations))).parents[module.count(".")]


def stale_stubs(fresh: Path) -> list[str]:
    """The committed stubs that differ from freshly generated ones, are missing, or should not be there."""
    write_stubs(PROTO, fresh)
    stale = []
    for root in IMPORT_ROOTS:
        names = {path.relative_to(tree) for tree in (fresh, STUBS) for path in files(tree / root)}
        for path in sorted(names):
            mine, theirs = STUBS / path, fresh / path
            if not (mine.exists() and theirs.exists() and filecmp.cmp(mine, theirs, shallow=False)):
                stale.append(str(mine.relative_to(ROOT)))
    return stale


def files(tree: Path) -> list[Path]:
    """All files below `tree` but compiled ones."""
    return [path for path in tree.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def buf(command: str, image: Path, *arguments: str) -> list[str]:
    """Run buf over the image, for our own packages only, and return what it complains about."""
    scripts = Path(sysconfig.get_path("scripts"))
    run = subprocess.run(
        [scripts / "buf", command, image, "--config", ROOT / "buf.yaml", "--path", "tenantmesh", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    lines = (run.stdout + run.stderr).strip().splitlines()
    return lines or ([f"buf {command} failed"] if run.returncode else [])


def breaking(image: Path, work: Path) -> list[str]:
    """What would break a client of the release that proto/RELEASED names; nothing while it names none."""
    commit = RELEASED.read_text().strip()
    if not commit:
        return []
    archive = subprocess.run(["git", "archive", commit, "proto"], check=False, capture_output=True, cwd=ROOT)
    if archive.returncode:
        return [f"proto/RELEASED names {commit}, which git does not know: {archive.stderr.decode().strip()}"]
    released = work / "released"
    released.mkdir()
    subprocess.run(["tar", "-x", "-C", released], input=archive.stdout, check=True)
    against = work / "released.binpb"
    write_image(released / "proto", against)
    return buf("breaking", image, "--against", str(against))


if __name__ == "__main__":
    sys.exit(main())
