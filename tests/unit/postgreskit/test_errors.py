import logging

import asyncpg
import pytest

from faults import AlreadyExists, Exhausted, Fault, Internal, Kind, Timeout, Unavailable
from postgreskit.errors import constraint_faults, describe, fault_of, translated


def error(kind, message="what the server says", **fields):
    raised = kind(message)
    for name, value in fields.items():
        setattr(raised, name, value)
    return raised


CLASSES = {
    asyncpg.UniqueViolationError: Kind.INTERNAL,
    asyncpg.UndefinedTableError: Kind.INTERNAL,
    asyncpg.InsufficientPrivilegeError: Kind.INTERNAL,
    asyncpg.RaiseError: Kind.INTERNAL,
    asyncpg.InterfaceError: Kind.INTERNAL,
    asyncpg.InternalClientError: Kind.INTERNAL,
    asyncpg.CharacterNotInRepertoireError: Kind.INVALID,
    asyncpg.UntranslatableCharacterError: Kind.INVALID,
    asyncpg.SerializationError: Kind.ABORTED,
    asyncpg.DeadlockDetectedError: Kind.ABORTED,
    asyncpg.QueryCanceledError: Kind.TIMEOUT,
    asyncpg.LockNotAvailableError: Kind.TIMEOUT,
    asyncpg.IdleInTransactionSessionTimeoutError: Kind.TIMEOUT,
    TimeoutError: Kind.TIMEOUT,
    asyncpg.DiskFullError: Kind.EXHAUSTED,
    asyncpg.TooManyConnectionsError: Kind.EXHAUSTED,
    asyncpg.OutOfMemoryError: Kind.EXHAUSTED,
    asyncpg.ReadOnlySQLTransactionError: Kind.UNAVAILABLE,
    asyncpg.ConnectionDoesNotExistError: Kind.UNAVAILABLE,
    asyncpg.AdminShutdownError: Kind.UNAVAILABLE,
    asyncpg.CrashShutdownError: Kind.UNAVAILABLE,
    asyncpg.CannotConnectNowError: Kind.UNAVAILABLE,
    asyncpg.InvalidPasswordError: Kind.UNAVAILABLE,
    asyncpg.InvalidCatalogNameError: Kind.UNAVAILABLE,
    asyncpg.PostgresIOError: Kind.UNAVAILABLE,
    ConnectionRefusedError: Kind.UNAVAILABLE,
}


@pytest.mark.parametrize(("raised", "kind"), CLASSES.items())
def test_every_error_has_its_kind_and_a_neutral_text(raised, kind, caplog):
    caplog.set_level(logging.INFO)
    fault = fault_of(raised("what the server says"), "ledger")
    assert fault.kind is kind
    assert (fault.facts, fault.domain) == ({"dependency": "ledger"}, "tenantmesh")
    assert "what the server says" not in repr(fault)
    assert "what the server says" in caplog.text
    assert caplog.records[0].dependency == "ledger"


def test_a_kind_says_how_loud_it_is(caplog):
    caplog.set_level(logging.INFO)
    for raised in (asyncpg.SerializationError, asyncpg.AdminShutdownError, asyncpg.UndefinedTableError):
        fault_of(raised("x"), "ledger")
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "ERROR"]


def test_the_log_gets_what_helps_and_no_values():
    assert describe(
        error(asyncpg.UniqueViolationError, detail="Key (token)=(hunter2)", constraint_name="leads_key")
    ) == ("UniqueViolationError (23505): what the server says; constraint_name=leads_key")
    assert describe(
        error(asyncpg.DeadlockDetectedError, detail="Process 1 waits", hint="See the log", context="PL")
    ) == ("DeadlockDetectedError (40P01): what the server says; detail=Process 1 waits; hint=See the log; context=PL")


@pytest.mark.parametrize(
    ("message", "logged"),
    [
        ('invalid input syntax for type uuid: "hunter2"', "invalid input syntax for type uuid"),
        ('value "hunter2" is out of range for type integer', "value  is out of range for type integer"),
        ("invalid input for query argument $1: 'hunter2' (a\nb)", "invalid input for query argument $1"),
    ],
)
def test_data_exceptions_lose_the_value_they_quote(message, logged):
    assert describe(asyncpg.DataError(message)) == f"DataError (22000): {logged}"


def test_errors_of_the_driver_itself():
    assert describe(asyncpg.exceptions.ClientConfigurationError("postgresql://me:hunter2@host")) == (
        "ClientConfigurationError"
    )
    assert describe(ConnectionRefusedError(111, "Connect call failed")) == (
        "ConnectionRefusedError: [Errno 111] Connect call failed"
    )
    assert describe(TimeoutError()) == "TimeoutError"


def test_a_fault_keeps_the_place_and_drops_the_text():
    def statement():
        raise asyncpg.UndefinedTableError("hunter2")

    with pytest.raises(Internal) as caught, translated("ledger"):
        statement()
    assert [entry.name for entry in caught.traceback][-1] == "statement"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_what_is_no_driver_error_passes():
    for other in (ValueError("mine"), AlreadyExists("x", reason="MINE"), FileNotFoundError("mine")):
        with pytest.raises(type(other)) as caught, translated("ledger"):
            raise other
        assert caught.value is other


def test_misuse_of_a_lost_connection_is_the_loss():
    for lost, expected in ((True, Unavailable), (False, Internal)):
        with pytest.raises(expected), translated("ledger", lost=lambda lost=lost: lost):
            raise asyncpg.InterfaceError("cannot call: the connection is closed")
    with pytest.raises(Timeout), translated("ledger", lost=lambda: True):
        raise TimeoutError


def taken() -> Fault:
    return AlreadyExists("Taken.", reason="KEY_TAKEN")


def test_a_constraint_is_found_by_its_name_and_nothing_is_logged(caplog):
    broken = error(asyncpg.UniqueViolationError, constraint_name="tenant_keys_pkey")
    assert fault_of(broken, "ledger", {"tenant_keys_pkey": taken}).reason == "KEY_TAKEN"
    assert caplog.records == []
    assert fault_of(broken, "ledger", {"other": taken}).kind is Kind.INTERNAL


def test_a_block_for_one_statement():
    broken = error(asyncpg.UniqueViolationError, constraint_name="tenant_keys_pkey")
    with pytest.raises(AlreadyExists), constraint_faults({"tenant_keys_pkey": taken}):
        raise broken
    with pytest.raises(asyncpg.UniqueViolationError), constraint_faults({"other": taken}):
        raise broken
    with pytest.raises(asyncpg.NotNullViolationError), constraint_faults({"other": taken}):
        raise asyncpg.NotNullViolationError("no constraint has a name here")


def test_no_room_says_when_to_come_back():
    fault = fault_of(asyncpg.TooManyConnectionsError("x"), "ledger")
    assert isinstance(fault, Exhausted)
    assert fault.retry_after is not None
