import pytest

from settingskit import SettingsInvalid
from storage_service.blueprint.providers.folder import BlueprintSettings, load

WHOLE = {
    "migrations/0001_first.sql": "CREATE TABLE a (x int)",
    "seeds/default/template.toml": 'version = "7"\n[variables]\na = "x"\nb = { required = true }',
    "seeds/default/02_b.sql": "SELECT 2",
    "seeds/default/01_a.sql": "SELECT 1",
    "seeds/README.md": "not a template",
}


@pytest.fixture
def written(tmp_path):
    def written(**changes):
        for name, text in (WHOLE | changes).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return BlueprintSettings(folder=tmp_path)

    return written


def test_a_folder_is_read(written):
    blueprint = load(written())
    assert [one.name for one in blueprint.migrations] == ["0001_first"]
    template = blueprint.templates["default"]
    assert (template.version, template.variables) == ("7", {"a": "x", "b": None})
    assert [script.file for script in template.scripts] == ["01_a.sql", "02_b.sql"]


def test_the_built_in_one_has_what_a_tenant_needs():
    blueprint = load(BlueprintSettings())
    assert blueprint.newest >= 1
    assert blueprint.templates["default"].values({"company_name": "Acme"})["currency"] == "EUR"


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("migrations/0003_gap.sql", "SELECT 1", "numbers have no gaps"),
        ("migrations/0002_x.sql", "COMMIT;", "must not begin or end transactions"),
        ("migrations/0002_x.sql", "-- postgreskit: no transaction\nVACUUM", "runs in a transaction"),
        ("seeds/Upper/template.toml", "", "a template's name"),
        ("seeds/default/template.toml", "[variables]", "there is no version"),
        ("seeds/default/template.toml", 'version = "1"\n[variables]\nA = "x"', "no name of a variable"),
        ("seeds/default/template.toml", 'version = "1"\n[variables]\na = 3', "needs a text"),
        ("seeds/default/template.toml", "nothing =", "cannot be read"),
        (
            "seeds/default/03_c.sql",
            "INSERT INTO a VALUES (1);\n-- why\nCommit; SELECT 1",
            "begins or ends a transaction",
        ),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(written, file, text, problem):
    with pytest.raises(SettingsInvalid, match=problem) as invalid:
        load(written(**{file: text}))
    assert invalid.value.problems[0].name == "SCHEMA_BLUEPRINT"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(SettingsInvalid):
        load(BlueprintSettings(folder=tmp_path / "nowhere"))
