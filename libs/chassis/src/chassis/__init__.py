"""How every gRPC process of the mesh runs, and how it calls others.

The public names are loaded when they are first asked for: a process that only calls others need not load a server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chassis.process import run
    from chassis.resources import Resource, StartFailed
    from chassis.server import Running, Servicer, running, serve
    from chassis.settings import AuthSettings, Mode, OpsSettings, ServerSettings, TlsSettings

__all__ = [
    "AuthSettings",
    "Mode",
    "OpsSettings",
    "Resource",
    "Running",
    "ServerSettings",
    "Servicer",
    "StartFailed",
    "TlsSettings",
    "run",
    "running",
    "serve",
]

_MODULES = {
    "process": ("run",),
    "resources": ("Resource", "StartFailed"),
    "server": ("Running", "Servicer", "running", "serve"),
    "settings": ("AuthSettings", "Mode", "OpsSettings", "ServerSettings", "TlsSettings"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
