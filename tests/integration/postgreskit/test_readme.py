"""The examples of the README are run, one after the other, as they stand there."""

import ast
import inspect
import re
import sys
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest

import pagekit
import postgreskit
from faults import AlreadyExists
from postgreskit.catalog import tenancy_violations
from settingskit import Secret

README = Path(__file__).parents[3] / "libs" / "postgreskit" / "README.md"

NOTES = """
CREATE TABLE notes (
    tenant_id uuid NOT NULL, note_id uuid NOT NULL DEFAULT uuidv7(), text text NOT NULL,
    PRIMARY KEY (tenant_id, note_id), CONSTRAINT notes_text_key UNIQUE (tenant_id, text)
);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
{policy}
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO :"application_role";
"""


@pytest.fixture
def notes_service(tmp_path, monkeypatch):
    """A service with the migrations that the README speaks of."""
    [policy] = blocks("sql")
    folder = tmp_path / "notes_service" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_notes.sql").write_text(NOTES.format(policy=policy))
    (folder / "0002_idempotency.sql").write_text(files("postgreskit").joinpath("idempotency.sql").read_text())
    monkeypatch.syspath_prepend(tmp_path)
    yield
    del sys.modules["notes_service.migrations"], sys.modules["notes_service"]


@pytest.mark.usefixtures("notes_service")
async def test_the_examples_are_true(settings, owner, admin, role):
    names = {name: getattr(postgreskit, name) for name in postgreskit.__all__} | {
        "settings": SimpleNamespace(
            database=postgreskit.DatabaseSettings(url=settings.url, admin_url=Secret(owner)),
            pages=pagekit.PageSettings(),
        ),
        "PageTokens": pagekit.PageTokens,
        "AlreadyExists": AlreadyExists,
        "tenancy_violations": tenancy_violations,
        "owner": admin,
        "tenant_id": uuid4(),
    }
    examples = [example.replace("notes_app", role) for example in blocks("python")]
    migrating = [example for example in examples if "load_migrations" in example]
    for example in migrating + [example for example in examples if example not in migrating]:
        await run(example, names)
    assert names["report"].applied == ("0001_notes.sql", "0002_idempotency.sql")
    assert await admin.fetchval("SELECT array_agg(text ORDER BY text) FROM notes") == ["first", "second", "third"]


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


async def run(example, names):
    code = compile(example, README.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, names)  # noqa: S307 - our own words
    if inspect.iscoroutine(result):
        await result
