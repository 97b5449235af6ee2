"""Which addresses may be called. A pipeline names one to be asked at, and must not lead us where only we can go."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from deployments_service.webhook.model import AddressRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Beside what the standard library knows: this network, and where clouds answer their machines' questions.
_OURS_ALONE = tuple(
    map(
        ipaddress.ip_network,
        ("0.0.0.0/8", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::/32"),
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def forbidden(text: str, allowed: Collection[Network]) -> bool:
    """Whether an address is this machine's, its link's, a cloud's metadata, or of nobody in particular."""
    address = _embedded(ipaddress.ip_address(text.partition("%")[0]))
    if any(address in network for network in allowed):
        return False
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
        or any(address in network for network in _OURS_ALONE)
    )


def check_url(url: str, *, like: str, hosts: Iterable[str], allowed: Collection[Network]) -> None:
    """Refuse a URL that leads to another host than is known, or is less protected than the one it should be `like`."""
    try:
        parts, known = urlsplit(url), urlsplit(like)
        host = parts.hostname or ""
    except ValueError as error:
        raise AddressRefused("The pipeline named an address that is none.") from error
    if parts.scheme not in {known.scheme, "https"} or parts.username is not None:
        raise AddressRefused("The pipeline named an address that is not protected as it should be.")
    if host not in {known.hostname, *hosts}:
        raise AddressRefused("The pipeline named an address at another host.")
    check_literal(host, allowed)


def check_literal(host: str, allowed: Collection[Network]) -> None:
    """Refuse a host that is an address itself and may not be called: nobody looks those up."""
    try:
        refused = forbidden(host, allowed)
    except ValueError:
        return  # a name
    if refused:
        raise AddressRefused("The pipeline's address is not to be called.")


class GuardedResolver(AbstractResolver):
    """Looks names up, and refuses those that lead to a forbidden address: what was checked is what is called."""

    def __init__(self, allowed: Collection[Network]) -> None:
        self._allowed = allowed
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host, if all of them may be called."""
        found = await self._resolver.resolve(host, port, family)
        if any(forbidden(one["host"], self._allowed) for one in found):
            raise AddressRefused("The pipeline's address is not to be called.")
        return found

    async def close(self) -> None:
        """Nothing is open."""


def _embedded(address: Address) -> Address:
    """The IPv4 address that is written as an IPv6 one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
