import pytest

from notifications_service.settings import NotificationsSettings, read
from settingskit import SettingsInvalid

GOOD = {
    "MESH_MODE": "production",
    "DATABASE_URL": "postgresql://app@db/notifications",
    "NOTIFICATIONS_SECRET": "s" * 32,
    "NOTIFICATION_FROM": "no-reply@mesh.example",
    "NOTIFICATION_PROVIDER": "smtp",
    "AUTH_JWKS": "https://issuer.example/keys.json",
    "AUTH_ISSUER": "issuer",
    "AUTH_AUDIENCE": "mesh",
    "SMTP_USERNAME": "mesh",
    "SMTP_PASSWORD": "hunter2",
}


def problems(**changes: str) -> dict[str, str]:
    with pytest.raises(SettingsInvalid) as invalid:
        read({**GOOD, **changes})
    return {problem.name: problem.message for problem in invalid.value.problems}


def test_good_settings_are_taken():
    settings, providers = read(GOOD)
    assert isinstance(settings, NotificationsSettings)
    assert [type(one).__name__ for one in providers] == ["SmtpSettings"]
    assert "hunter2" not in repr(providers)


def test_every_problem_is_listed_at_once():
    found = problems(
        DATABASE_URL="", NOTIFICATIONS_SECRET="short", NOTIFICATION_FROM="nobody", SMTP_PASSWORD="", SMTP_PORT="70000",
        NOTIFICATION_PRIMARY_COLOR="red", NOTIFICATION_PUBLIC_URL="mesh.example",
    )  # fmt: skip
    assert found.keys() >= {
        "DATABASE_URL", "NOTIFICATIONS_SECRET", "NOTIFICATION_FROM", "SMTP_PORT", "NOTIFICATION_PRIMARY_COLOR",
        "NOTIFICATION_PUBLIC_URL",
    }  # fmt: skip


@pytest.mark.parametrize("provider", ["memory", "logging", "smtp,memory"])
def test_production_refuses_who_reaches_nobody(provider):
    assert "reaches nobody" in problems(NOTIFICATION_PROVIDER=provider)["NOTIFICATION_PROVIDER"]


def test_production_wants_a_sender():
    assert "required in production" in problems(NOTIFICATION_FROM="")["NOTIFICATION_FROM"]


@pytest.mark.parametrize("provider", ["pigeon", "smtp,smtp", "smtp,pigeon"])
def test_who_carries_must_be_known_and_named_once(provider):
    assert "each once" in problems(NOTIFICATION_PROVIDER=provider)["NOTIFICATION_PROVIDER"]


def test_a_password_does_not_travel_in_plain_text():
    assert "plain text" in problems(SMTP_TLS="none")["SMTP_TLS"]
    assert "go together" in problems(SMTP_PASSWORD="")["SMTP_PASSWORD"]
    read({**GOOD, "SMTP_TLS": "none", "SMTP_ENABLED": "false"})


def test_the_templates_folder_must_be_there(tmp_path):
    assert "no folder" in problems(NOTIFICATION_TEMPLATES=str(tmp_path / "none"))["NOTIFICATION_TEMPLATES"]
