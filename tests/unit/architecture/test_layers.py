"""What import-linter cannot say: the inner modules of a service import nothing but the standard library and faults."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOMAIN = ("model", "service", "ports")
SERVICES = sorted((ROOT / "services").glob("*/src/*_service"))
# A service with several aggregates has a sub-package for each, made of the same files.
DOMAIN_FILES = [path for service in SERVICES for name in DOMAIN for path in sorted(service.rglob(f"{name}.py"))]
AGGREGATE_ROLES = {"__init__", "handlers", "model", "ports", "providers", "service", "store", "tokens", "translate"}
ROLES = AGGREGATE_ROLES | {"__main__", "app", "filters", "idn", "migrations", "seal", "settings"}
MORE_ROLES = {
    # The worker has no RPCs and no domain: it has workflows, what they are made of, and what they call.
    "worker_service": {"activities", "operation", "requests", "tables", "workflows"},
    # What provisioning works with are the contract's messages, which are the inputs and answers of workflows.
    "provisioning_service": {
        "dispatching",
        "engine",
        "finding",
        "health",
        "installation",
        "records",
        "starting",
        "steering",
    },
}


def is_aggregate(path: Path) -> bool:
    """Whether it is the sub-package of one aggregate: what has a model, and is no kind of file itself."""
    return path.is_dir() and path.name not in ROLES and (path / "model.py").exists()


def imported(path: Path) -> set[str]:
    """Every module that `path` imports."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a name comes from"
            modules.add(node.module or "")
    return modules


def package_of(path: Path) -> str:
    """The service a file belongs to."""
    return next(part for part in path.relative_to(ROOT).parts if part.endswith("_service"))


def parts_of(package: Path) -> list[Path]:
    """The modules and packages right inside a package."""
    return sorted(path for path in package.iterdir() if path.suffix == ".py" or (path.is_dir() and path.name[0] != "_"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOMAIN_FILES, ids=name_of)
def test_domain_modules_import_only_the_standard_library_and_faults(path):
    roots = {module.split(".")[0] for module in imported(path)}
    assert roots - set(sys.stdlib_module_names) - {"faults", package_of(path)} == set()


@pytest.mark.parametrize("path", DOMAIN_FILES, ids=name_of)
def test_domain_modules_import_only_domain_modules_of_their_own(path):
    own = {module for module in imported(path) if module.split(".")[0] == package_of(path)}
    assert {module for module in own if module.split(".")[-1] not in DOMAIN} == set()


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_services_use_the_same_file_names(service):
    roles = ROLES | MORE_ROLES.get(service.name, set())
    assert {path.stem for path in parts_of(service) if not is_aggregate(path)} <= roles


@pytest.mark.parametrize(
    "aggregate", [path for service in SERVICES for path in parts_of(service) if is_aggregate(path)], ids=name_of
)
def test_aggregates_use_the_same_file_names(aggregate):
    assert {path.stem for path in parts_of(aggregate)} <= AGGREGATE_ROLES


@pytest.mark.parametrize("service", [path for path in SERVICES if (path / "__main__.py").exists()], ids=name_of)
def test_main_stays_a_page_corner(service):
    assert len((service / "__main__.py").read_text().splitlines()) <= 20


@pytest.mark.parametrize(
    "path",
    [path for pattern in ("libs/*/src", "services/*/src", "deploy/local/src") for top in ROOT.glob(pattern)
     for path in top.rglob("*.py") if "contracts" not in path.parts],
    ids=name_of,
)  # fmt: skip
def test_files_stay_readable(path):
    limit = 250 if "libs" in path.relative_to(ROOT).parts[0] else 400
    tree = ast.parse(source := path.read_text())
    assert len(source.splitlines()) <= limit
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 50, f"{node.name} is too long"
