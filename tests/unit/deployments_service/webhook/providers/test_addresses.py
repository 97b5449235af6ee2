import ipaddress

import pytest

from deployments_service.webhook.model import AddressRefused
from deployments_service.webhook.providers.addresses import GuardedResolver, check_literal, check_url, forbidden

HERE = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]
CI = "https://ci.example/deploy"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.1", "169.254.169.254", "169.254.0.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "100.100.100.200", "168.63.129.16", "192.0.0.192", "::1", "::", "fe80::1", "fe80::1%eth0",
        "ff02::1", "fd00:ec2::254", "::ffff:169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ],
)  # fmt: skip
def test_what_only_we_can_reach_is_not_called(address):
    assert forbidden(address, [])
    with pytest.raises(AddressRefused):
        check_literal(address, [])


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "10.0.0.7", "192.168.1.1", "172.16.0.1", "2001:4860::8888", "fd12::1"]
)
def test_everybody_elses_networks_may_be_called(address):
    assert not forbidden(address, [])


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_a_network_can_be_allowed(address):
    assert not forbidden(address, HERE)
    check_literal(address, HERE)


def test_a_name_is_no_address():
    check_literal("ci.example", [])


@pytest.mark.parametrize("url", ["https://ci.example/runs/1", "https://ci.example:8443/", "https://status.example/1"])
def test_a_pipeline_is_asked_where_it_is_known(url):
    check_url(url, like=CI, hosts=["status.example"], allowed=[])


@pytest.mark.parametrize(
    "url",
    [
        "http://ci.example/runs/1",
        "https://evil.example/",
        "https://ci.example.evil.example/",
        "https://ci.example@evil.example/",
        "https://me:word@ci.example/",
        "https://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "//ci.example/",
        "https://[::1/",
        "",
    ],
)
def test_and_nowhere_else(url):
    with pytest.raises(AddressRefused):
        check_url(url, like=CI, hosts=[], allowed=[])


def test_plain_http_may_go_over_to_https_where_it_was_plain():
    for scheme in ("http", "https"):
        check_url(f"{scheme}://ci.example/", like="http://ci.example", hosts=[], allowed=[])


def test_a_known_host_that_is_a_forbidden_address_is_refused_all_the_same():
    with pytest.raises(AddressRefused):
        check_url("http://127.0.0.1/", like="http://127.0.0.1/", hosts=[], allowed=[])


async def test_a_name_that_leads_to_a_forbidden_address_is_refused():
    resolver = GuardedResolver([])
    with pytest.raises(AddressRefused):
        await resolver.resolve("localhost", 80)
    allowed = GuardedResolver(HERE)
    assert {one["host"] for one in await allowed.resolve("localhost", 80)} <= {"127.0.0.1", "::1"}
    # A number is an address that nobody calls one.
    with pytest.raises(AddressRefused):
        await resolver.resolve("2130706433", 80)
    await resolver.close()
