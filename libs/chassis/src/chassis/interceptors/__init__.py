"""The layers every RPC passes, outermost first. The order is data, and a test holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chassis.interceptors.call import Call, Handler, Layer, Method

__all__ = ["ORDER", "Call", "Handler", "Layer", "Method", "Place", "in_order"]


@dataclass(frozen=True, slots=True)
class Place:
    """The place of one layer: which layers must stand around it, and why."""

    name: str
    within: Mapping[str, str]


ORDER = (
    Place("telemetry", {}),
    Place("logging", {"telemetry": "the line carries the ids of the call's span"}),
    Place(
        "errors",
        {
            "telemetry": "it counts the status that was answered, not the exception behind it",
            "logging": "the line says the status that was answered",
        },
    ),
    Place("deadline", {"errors": "running out of time is answered like every other failure"}),
    Place(
        "shedding",
        {
            "errors": "a refusal carries its reason and when to come back",
            "deadline": "a call that is late already takes no place",
        },
    ),
    Place(
        "authentication",
        {
            "errors": "a refusal carries its reason",
            "deadline": "fetching the keys of an issuer takes time from the call",
            "shedding": "a flood of forged tokens must not keep the process busy with signatures",
        },
    ),
    Place("authorization", {"authentication": "it asks what the caller may do"}),
    Place(
        "validation",
        {
            "authentication": "the tenant of the request is compared with the caller's",
            "authorization": "nothing is parsed for a caller who may not call",
        },
    ),
)


def in_order(layers: Mapping[str, Layer]) -> list[Layer]:
    """The layers in their places.

    Raises:
        ValueError: when one is missing, or has no place.
    """
    names = [place.name for place in ORDER]
    if set(names) != set(layers):
        msg = f"layers and places differ: {sorted(set(names) ^ set(layers))}"
        raise ValueError(msg)
    return [layers[name] for name in names]
