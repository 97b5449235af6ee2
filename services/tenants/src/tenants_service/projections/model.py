"""Which projections there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Projection:
    """A table, and the SQL function that enters one event into it; a trigger calls that for every new event."""

    table: str
    function: str
    aggregate_type: str
    """The events it is made of."""


PROJECTIONS: Final = (
    Projection("tenant_transitions", "project_tenant_transition", "tenant"),
    Projection("lead_days", "project_lead_day", "lead"),
)
