from ipaddress import ip_network

import pytest

from tenants_service.limits.translate import Origins


class Context:
    def __init__(self, peer, *forwarded):
        self._peer = peer
        self._metadata = [("x-request-id", "1"), *(("x-forwarded-for", value) for value in forwarded)]

    def peer(self):
        return self._peer

    def invocation_metadata(self):
        return self._metadata


GATEWAYS = Origins([ip_network("10.0.0.0/8"), ip_network("::1/128")])


@pytest.mark.parametrize(
    ("context", "network"),
    [
        (Context("ipv4:192.0.2.7:4711"), "192.0.2.7"),
        (Context("ipv4:192.0.2.7:4711", "198.51.100.1"), "192.0.2.7"),  # not one of ours: it speaks for itself
        (Context("ipv4:10.1.2.3:4711", "198.51.100.1"), "198.51.100.1"),
        (Context("ipv4:10.1.2.3:4711", "203.0.113.9, 198.51.100.1"), "198.51.100.1"),  # the rest is the visitor's word
        (Context("ipv4:10.1.2.3:4711", "203.0.113.9", "198.51.100.1, 10.9.9.9"), "198.51.100.1"),
        (Context("ipv4:10.1.2.3:4711"), "10.1.2.3"),
        (Context("ipv4:10.1.2.3:4711", "nonsense"), "unknown"),
        (Context("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:4711"), "2001:db8:1:2::/64"),
        (Context("ipv6:%5B::ffff:192.0.2.7%5D:4711"), "192.0.2.7"),
        (Context("ipv6:%5B::1%5D:4711", "2001:db8:1:2::9"), "2001:db8:1:2::/64"),
        (Context("unix:"), "unknown"),
    ],
)
def test_where_a_call_comes_from(context, network):
    assert GATEWAYS.network_of(context) == network
