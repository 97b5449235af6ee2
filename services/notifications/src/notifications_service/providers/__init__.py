"""Those who carry messages, one line each. A provider is one file: its settings, its client, its errors translated.

A provider's file is imported when it is chosen: a vendor's library costs memory and start-up time.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

PROVIDERS: Mapping[str, str] = {
    "logging": "LoggingProvider",
    "memory": "MemoryProvider",
    "novu": "NovuProvider",
    "resend": "ResendProvider",
    "ses": "SesProvider",
    "smtp": "SmtpProvider",
}

REPORTS: Mapping[str, str] = {
    "resend": "resend_reports",
    "ses": "ses_reports",
}
"""The files of those who report what became of messages."""


def provider_type(name: str) -> Any:
    """The class of a provider, from the file of its name."""
    return getattr(import_module(f"{__name__}.{name}"), PROVIDERS[name])


def report_reader(name: str, settings: Any) -> Any:
    """Who reads a provider's reports; None where it makes none, or where none are to be taken."""
    return import_module(f"{__name__}.{REPORTS[name]}").reader(settings) if name in REPORTS else None
