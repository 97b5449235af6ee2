"""What writing messages needs of the outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from notifications_service.model import Branding
from notifications_service.templates.model import Rendered, Template


class Writer(Protocol):
    """Holds the templates, and writes messages from them."""

    templates: Mapping[str, Template]
    """By identifier, in its order."""

    def write(self, template_id: str, language: str, variables: Mapping[str, str], branding: Branding) -> Rendered:
        """Write a message from a template without problem, in a language it has, with every variable it asks for."""
        ...
