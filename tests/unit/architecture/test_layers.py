"""What import-linter cannot say: the inner modules of a service import nothing but the standard library and faults."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOMAIN = ("model", "service", "ports")
SERVICES = sorted((ROOT / "services").glob("*/src/*_service"))
DOMAIN_FILES = [path for service in SERVICES for name in DOMAIN if (path := service / f"{name}.py").exists()]
ROLES = {
    "__init__", "__main__", "app", "handlers", "model", "ports", "providers", "service", "settings", "store",
    "translate",
}  # fmt: skip


def imported_roots(path: Path) -> set[str]:
    """The first part of every module that `path` imports, whole for our own services."""
    roots = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a name comes from"
            roots.add((node.module or "").split(".")[0])
    return roots


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOMAIN_FILES, ids=name_of)
def test_domain_modules_import_only_the_standard_library_and_faults(path):
    own = path.parent.name
    assert imported_roots(path) - set(sys.stdlib_module_names) - {"faults", own} == set()


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_services_use_the_same_file_names(service):
    found = {path.stem for path in service.iterdir() if path.suffix == ".py" or (path.is_dir() and path.name[0] != "_")}
    assert found <= ROLES


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
