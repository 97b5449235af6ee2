import enum
import pickle
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settingskit import Problem, Secret, SettingsInvalid, describe, load, nested, setting
from settingskit._values import parse, show


class Mode(enum.Enum):
    MOCK = "mock"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Tls:
    certificate: Path | None = setting("TLS_CERT_FILE", default=None, help="Certificate.")
    key: Path | None = setting("TLS_KEY_FILE", default=None, help="Key.")

    def __post_init__(self):
        if (self.certificate is None) != (self.key is None):
            raise SettingsInvalid([Problem("TLS_KEY_FILE", "goes with TLS_CERT_FILE")])


@dataclass(frozen=True, slots=True)
class Settings:
    token: Secret = setting("API_TOKEN", help="Token of the provider.")
    port: int = setting("RPC_PORT", default=7104, help="Port.", minimum=0, maximum=65535)
    ratio: float = setting("RATIO", default=0.5, help="A ratio.")
    quiet: bool = setting("QUIET", default=False, help="Say less.")
    patience: timedelta = setting(
        "PATIENCE", default=timedelta(seconds=30), help="Patience.", minimum=timedelta(seconds=1)
    )
    names: tuple[str, ...] = setting("NAMES", default=(), help="Names.")
    mode: Mode = setting("MODE", default=Mode.MOCK, help="Mode.")
    home: Path = setting("HOME_FOLDER", default=Path(), help="Folder.")
    tls: Tls = nested(Tls)


ENOUGH = {"API_TOKEN": "hush"}


def test_defaults_hold_where_nothing_is_set():
    settings = load(Settings, ENOUGH)
    assert settings == Settings(token=Secret("hush"))
    assert settings.tls == Tls()


def test_every_type_is_read():
    settings = load(
        Settings,
        {
            **ENOUGH,
            "RPC_PORT": "80",
            "RATIO": "0.25",
            "QUIET": "Yes",
            "PATIENCE": "5m",
            "NAMES": "a, b,,c ",
            "MODE": "production",
            "HOME_FOLDER": "/srv",
            "TLS_CERT_FILE": "/c",
            "TLS_KEY_FILE": "/k",
        },
    )
    assert (settings.port, settings.ratio, settings.quiet) == (80, 0.25, True)
    assert (settings.patience, settings.names) == (timedelta(minutes=5), ("a", "b", "c"))
    assert (settings.mode, settings.home) == (Mode.PRODUCTION, Path("/srv"))
    assert settings.tls == Tls(certificate=Path("/c"), key=Path("/k"))


def test_the_services_own_variable_wins():
    environ = {**ENOUGH, "RPC_PORT": "1", "DNS_RPC_PORT": "2"}
    assert load(Settings, environ, service="dns").port == 2
    assert load(Settings, environ, service="storage").port == 1


def test_an_empty_variable_counts_as_not_set():
    assert load(Settings, {**ENOUGH, "RPC_PORT": "  "}).port == 7104


def test_every_problem_is_named_at_once():
    with pytest.raises(SettingsInvalid) as caught:
        load(
            Settings,
            {
                "RPC_PORT": "many",
                "RATIO": "x",
                "QUIET": "perhaps",
                "PATIENCE": "10ms",
                "MODE": "other",
                "TLS_CERT_FILE": "/c",
            },
        )
    assert {problem.name: problem.message for problem in caught.value.problems} == {
        "API_TOKEN": "is required: Token of the provider.",
        "RPC_PORT": "must be a whole number",
        "RATIO": "must be a number",
        "QUIET": "must be true or false",
        "PATIENCE": "must be at least 1s",
        "MODE": "must be one of mock, production",
        "TLS_KEY_FILE": "goes with TLS_CERT_FILE",
    }
    assert "RPC_PORT: must be a whole number" in str(caught.value)


def test_a_problem_names_the_variable_that_was_read():
    with pytest.raises(SettingsInvalid) as caught:
        load(Settings, {**ENOUGH, "RPC_PORT": "1", "DNS_RPC_PORT": "70000"}, service="dns")
    assert caught.value.problems == (Problem("DNS_RPC_PORT", "must be at most 65535"),)


def test_nested_defaults_replace_the_declared_ones():
    @dataclass(frozen=True, slots=True)
    class Server:
        port: int = setting("RPC_PORT", default=0, help="Port.")

    @dataclass(frozen=True, slots=True)
    class Dns:
        server: Server = nested(Server, port=7104)

    assert load(Dns, {}).server.port == 7104 == Dns().server.port
    assert load(Dns, {"RPC_PORT": "9"}).server.port == 9
    assert describe(Dns)[0].default == "7104"


def test_defaults_reach_through_two_levels():
    @dataclass(frozen=True, slots=True)
    class Ops:
        host: str = setting("OPS_HOST", default="127.0.0.1", help="Host.")
        port: int = setting("OPS_PORT", default=0, help="Port.")

    @dataclass(frozen=True, slots=True)
    class Server:
        ops: Ops = nested(Ops, host="::1")

    @dataclass(frozen=True, slots=True)
    class Dns:
        server: Server = nested(Server, ops={"port": 9104})

    assert load(Dns, {}) == Dns()
    assert (Dns().server.ops.port, Dns().server.ops.host) == (9104, "::1")
    assert load(Dns, {"OPS_PORT": "7"}).server.ops.port == 7
    assert [item.default for item in describe(Dns)] == ["::1", "9104"]


def test_descriptions_list_what_a_person_must_know():
    described = {item.name: item for item in describe(Settings)}
    assert list(described)[-2:] == ["TLS_CERT_FILE", "TLS_KEY_FILE"]
    assert described["API_TOKEN"].required
    assert described["API_TOKEN"].secret
    assert described["PATIENCE"].default == "30s"
    assert described["MODE"].default == "mock"


def test_a_secret_shows_itself_to_nobody():
    secret = Secret("hush")
    assert "hush" not in f"{secret} {secret!r} {load(Settings, ENOUGH)!r}"
    assert secret.reveal() == "hush"
    assert bool(secret)
    assert not Secret("")
    assert len({secret, Secret("hush")}) == 1
    assert secret != "hush"
    with pytest.raises(TypeError, match="does not leave its process"):
        pickle.dumps(secret)


def test_a_wrong_duration_says_what_is_right():
    with pytest.raises(ValueError, match="such as 250ms"):
        parse(timedelta, "soon")


@pytest.mark.parametrize("kind", [complex, int | str])
def test_an_unknown_type_is_a_mistake_of_the_declaration(kind):
    with pytest.raises(TypeError, match="cannot be of type"):
        parse(kind, "1")


def test_a_class_may_have_fields_that_are_no_settings():
    @dataclass(frozen=True)
    class Mixed:
        port: int = setting("PORT", default=1, help="Port.")
        computed: int = 7

    assert load(Mixed, {}).computed == 7


@given(st.integers(min_value=0, max_value=10**9).map(lambda ms: timedelta(milliseconds=ms)))
def test_a_shown_duration_reads_back(duration):
    assert parse(timedelta, show(duration)) == duration


@pytest.mark.parametrize("value", [None, True, False, ("a", "b"), 3, 0.5, "text"])
def test_values_are_shown_as_they_would_be_set(value):
    shown = show(value)
    assert shown == {"None": "", "True": "true", "False": "false", "('a', 'b')": "a,b"}.get(str(value), str(value))
