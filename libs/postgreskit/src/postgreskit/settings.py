"""What a service is told about its database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from settingskit import Problem, Secret, SettingsInvalid, setting


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """One database: where it is, and how much of it one process may hold."""

    url: Secret = setting(
        "DATABASE_URL", help="Address of the database for the application role, postgresql://…, TLS options included."
    )
    admin_url: Secret | None = setting(
        "ADMIN_DATABASE_URL",
        default=None,
        help="Address for the role that owns the tables and runs migrations; must not lead through a pooler.",
    )
    direct_url: Secret | None = setting(
        "DATABASE_DIRECT_URL",
        default=None,
        help="Address past a pooler, for LISTEN; DATABASE_URL when not set.",
    )
    pool_min: int = setting("DATABASE_POOL_MIN", default=1, minimum=0, help="Connections kept open.")
    pool_max: int = setting("DATABASE_POOL_MAX", default=10, minimum=1, help="Connections one process may hold.")
    pool_wait: timedelta = setting(
        "DATABASE_POOL_WAIT",
        default=timedelta(seconds=5),
        minimum=timedelta(milliseconds=1),
        help="How long a transaction waits for a free connection before it is refused.",
    )
    max_idle: timedelta = setting(
        "DATABASE_CONNECTION_MAX_IDLE", default=timedelta(minutes=5), help="Idle connections are closed after this."
    )
    max_age: timedelta = setting(
        "DATABASE_CONNECTION_MAX_AGE",
        default=timedelta(minutes=30),
        minimum=timedelta(milliseconds=10),
        help="Connections are replaced after this: a server process grows with every table it has touched.",
    )
    statement_cache: int = setting(
        "DATABASE_STATEMENT_CACHE",
        default=100,
        minimum=0,
        help="Prepared statements kept per connection; 0 behind a transaction-mode pooler that does not track them.",
    )
    command_timeout: timedelta = setting(
        "DATABASE_COMMAND_TIMEOUT",
        default=timedelta(seconds=30),
        minimum=timedelta(milliseconds=1),
        help="The longest one statement may take.",
    )
    connect_timeout: timedelta = setting(
        "DATABASE_CONNECT_TIMEOUT",
        default=timedelta(seconds=5),
        minimum=timedelta(milliseconds=1),
        help="The longest one attempt to connect may take.",
    )
    start_patience: timedelta = setting(
        "DATABASE_START_PATIENCE",
        default=timedelta(seconds=30),
        help="How long a starting process waits for its database to come up.",
    )

    def __post_init__(self) -> None:
        """Refuse addresses that are none, and a pool whose least is more than its most."""
        addresses = {
            "DATABASE_URL": self.url,
            "ADMIN_DATABASE_URL": self.admin_url,
            "DATABASE_DIRECT_URL": self.direct_url,
        }
        problems = [
            Problem(name, "must be an address such as postgresql://user:password@host:5432/database")
            for name, address in addresses.items()
            if address is not None and not is_address(address.reveal())
        ]
        if self.pool_min > self.pool_max:
            problems.append(Problem("DATABASE_POOL_MIN", "must not be more than DATABASE_POOL_MAX"))
        if problems:
            raise SettingsInvalid(problems)


def is_address(text: str) -> bool:
    """Whether the driver can read it as an address; its own complaint would quote the password."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in {"postgresql", "postgres"}
