"""A delivery: one request to send something, to one recipient or many, and what became of each."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from notifications_service.model import Branding, Failure, State

_NAMESPACE = uuid5(NAMESPACE_URL, "tenantmesh.notifications.delivery")


class DeliveryState(enum.Enum):
    """How a delivery stands as a whole."""

    SENDING = "SENDING"
    SENT = "SENT"
    PARTLY_SENT = "PARTLY_SENT"
    NOT_SENT = "NOT_SENT"


@dataclass(frozen=True, slots=True)
class Content:
    """What a message is written from."""

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def within(self, outer: Content) -> dict[str, str]:
        """All of it as one, together with what is the same for all; the own goes first."""
        return {**outer.variables, **outer.secrets, **self.variables, **self.secrets}

    def __bool__(self) -> bool:
        return bool(self.variables or self.secrets)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody to send to."""

    email: str
    display_name: str = ""
    language: str = ""
    content: Content = field(default_factory=Content)
    problem: str = ""
    """Why the address is none."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to send, and to whom; each address once."""

    tenant_id: UUID
    request_id: UUID
    digest: bytes
    """Of the whole request: the same id with another request is a mistake."""
    template_id: str
    recipients: Sequence[Recipient]
    operation_id: str = ""
    content: Content = field(default_factory=Content)
    branding: Branding = field(default_factory=Branding)
    language: str = ""

    @property
    def delivery_id(self) -> UUID:
        """Follows from the request, so that even who knows of no earlier one gives it the same keys."""
        return uuid5(_NAMESPACE, f"{self.tenant_id} {self.request_id}")


@dataclass(frozen=True, slots=True)
class RecipientDelivery:
    """What became of one message."""

    position: int
    email: str
    display_name: str
    language: str
    state: State
    provider: str = ""
    message_id: str = ""
    failure: Failure | None = None
    detail: str = ""
    attempts: int = 0
    send_time: datetime | None = None
    update_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request to send something."""

    delivery_id: UUID
    tenant_id: UUID
    request_id: UUID
    operation_id: str
    template_id: str
    state: DeliveryState
    counts: Mapping[State, int]
    create_time: datetime
    complete_time: datetime | None
    revision: int
    """Counts the changes of its recipients."""

    @property
    def settled(self) -> bool:
        """Whether nobody is waiting any more."""
        return self.state is not DeliveryState.SENDING


@dataclass(frozen=True, slots=True)
class Progress:
    """A delivery, and those of its recipients whose state has changed; none as a sign of life."""

    delivery: Delivery
    recipients: Sequence[RecipientDelivery] = ()


def state_of(counts: Mapping[State, int]) -> DeliveryState:
    """How a delivery stands whose recipients stand so."""
    if counts.get(State.QUEUED):
        return DeliveryState.SENDING
    delivered = sum(count for state, count in counts.items() if state.delivered)
    if not delivered:
        return DeliveryState.NOT_SENT
    return DeliveryState.SENT if delivered == sum(counts.values()) else DeliveryState.PARTLY_SENT


@dataclass(frozen=True, slots=True)
class Filter:
    """Which deliveries to list."""

    tenant_id: UUID | None = None
    operation_id: str = ""
    template_id: str = ""
    email: str = ""
    state: DeliveryState | None = None
    from_time: datetime | None = None
    until_time: datetime | None = None
