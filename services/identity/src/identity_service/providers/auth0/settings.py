"""What is configured about Auth0."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from settingskit import Problem, Secret, SettingsInvalid, setting


@dataclass(frozen=True, slots=True)
class Auth0Settings:
    """An Auth0 tenant, and the application by which the mesh administers it."""

    domain: str = setting("AUTH0_DOMAIN", help="The Auth0 tenant's domain, such as acme.eu.auth0.com.")
    client_id: str = setting(
        "AUTH0_CLIENT_ID", help="The machine-to-machine application that may use its Management API."
    )
    client_secret: Secret = setting("AUTH0_CLIENT_SECRET", help="That application's secret.")
    audience: str = setting("AUTH0_AUDIENCE", default="", help="The Management API; empty is https://{domain}/api/v2/.")
    url: str = setting("AUTH0_URL", default="", help="Where the Management API is reached; empty is https://{domain}.")
    connection: str = setting(
        "AUTH0_CONNECTION", default="Username-Password-Authentication", help="The database connection people are in."
    )
    admin_role: str = setting("AUTH0_ADMIN_ROLE", default="tenant-admin", help="The role that administers one tenant.")
    callback_path: str = setting(
        "AUTH0_CALLBACK_PATH",
        default="/callback",
        help="Where applications take people back to on their domains: Auth0 knows no * at the end of a path.",
    )
    rate: float = setting("AUTH0_RATE", default=10.0, minimum=0.1, help="Requests a second, over time.")
    burst: float = setting("AUTH0_BURST", default=10.0, minimum=1, help="Requests at once.")
    patience: timedelta = setting(
        "AUTH0_RATE_TIMEOUT", default=timedelta(seconds=20), help="How long a request waits for its turn."
    )
    timeout: timedelta = setting("AUTH0_TIMEOUT", default=timedelta(seconds=10), help="How long an answer may take.")

    def __post_init__(self) -> None:
        """Refuse what cannot be sent to."""
        problems = []
        if "/" in self.domain or "." not in self.domain:
            problems.append(Problem("AUTH0_DOMAIN", "must be a host name such as acme.eu.auth0.com"))
        if self.url and not self.url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            problems.append(Problem("AUTH0_URL", "must begin with https://: tokens travel to it"))
        if not self.callback_path.startswith("/") or "*" in self.callback_path:
            problems.append(Problem("AUTH0_CALLBACK_PATH", "must begin with / and have no *"))
        if problems:
            raise SettingsInvalid(problems)

    @property
    def base_url(self) -> str:
        """Where everything is."""
        return self.url.rstrip("/") or f"https://{self.domain}"
