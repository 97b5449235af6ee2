"""What providers refuse, each in the same words."""

from __future__ import annotations

from faults import Aborted, AlreadyExists, Fault


def changed(app: str) -> Fault:
    """Somebody else was faster."""
    return Aborted(f"The deployment of {app} has changed.", reason="DEPLOYMENT_CHANGED", facts={"app": app})


def hostname_taken(app: str, hostname: str) -> Fault:
    """Another deployment serves there."""
    return AlreadyExists(
        f"Another deployment serves under {hostname}.",
        reason="HOSTNAME_TAKEN",
        facts={"app": app, "hostname": hostname},
    )
