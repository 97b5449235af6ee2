import pytest

from dns_service.verification.model import Server


@pytest.mark.parametrize(
    ("text", "server", "shown"),
    [
        ("192.0.2.1", Server("192.0.2.1", "192.0.2.1", 53), "192.0.2.1"),
        ("192.0.2.1:5353", Server("192.0.2.1", "192.0.2.1", 5353), "192.0.2.1:5353"),
        ("2001:db8::1", Server("2001:db8::1", "2001:db8::1", 53), "2001:db8::1"),
        ("[2001:DB8::1]:5353", Server("2001:db8::1", "2001:db8::1", 5353), "[2001:db8::1]:5353"),
    ],
)
def test_a_server_is_an_address_and_a_port(text, server, shown):
    assert Server.parse(text) == server
    assert str(server) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ns1.example.com",
        "192.0.2.1:",
        "192.0.2.1:port",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2.1:-1",
        "192.0.2.256",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        Server.parse(text)


@pytest.mark.parametrize(
    ("server", "shown"),
    [
        (Server("ns1.example.com", "192.0.2.1"), "ns1.example.com (192.0.2.1)"),
        (Server("ns1.example.com", "192.0.2.1", 5353), "ns1.example.com (192.0.2.1:5353)"),
        (Server("ns1.example.com", ""), "ns1.example.com"),
    ],
)
def test_a_server_is_shown_by_its_name(server, shown):
    assert str(server) == shown
