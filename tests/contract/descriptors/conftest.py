import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def rules():
    """The rules are a tool, so they are on no import path."""
    return load("contract_rules", ROOT / "tools" / "contract_rules" / "__init__.py")


@pytest.fixture(scope="session")
def compiled(rules, tmp_path_factory):
    """Compiles a folder of .proto files to an image with comments."""
    tool = load("contract_generator", ROOT / "tools" / "proto.py")

    def compiled(proto):
        image = tmp_path_factory.mktemp("image") / "image.binpb"
        tool.write_image(proto, image)
        return rules.parse(image.read_bytes())

    return compiled
