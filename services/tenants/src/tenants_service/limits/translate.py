"""Where a call comes from, as far as that can be believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import grpc

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# What one subscriber gets: whoever counted single addresses of it would count nothing.
_SUBSCRIBER_BITS = 64


@dataclass(frozen=True, slots=True)
class Origins:
    """Tells where calls come from, through proxies that are trusted to say so."""

    trusted: Sequence[_Network] = ()

    def network_of(self, context: grpc.aio.ServicerContext[Any, Any]) -> str:
        """The network a call came from: the nearest address that is none of our own proxies'."""
        hops = [*_forwarded(context), _peer(context.peer())]
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                return "unknown"
            if not any(address in network for network in self.trusted):
                return _network(address)
        return _network(address) if (address := _address(hops[0])) else "unknown"


def _forwarded(context: grpc.aio.ServicerContext[Any, Any]) -> list[str]:
    values = [value for key, value in context.invocation_metadata() or () if key == "x-forwarded-for"]
    return [hop.strip() for value in values if isinstance(value, str) for hop in value.split(",")]


def _peer(peer: str) -> str:
    """The address in gRPC's word for a peer: `ipv4:127.0.0.1:4711`, `ipv6:%5B::1%5D:4711`."""
    return unquote(peer.partition(":")[2]).rpartition(":")[0].strip("[]")


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(address: _Address) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, _SUBSCRIBER_BITS), strict=False))
    return str(address)
