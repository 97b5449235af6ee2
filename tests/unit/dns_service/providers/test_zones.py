import pytest

from dns_service.providers.zones import Zones
from faults import Conflict, Unavailable


class Account:
    def __init__(self, *zones):
        self.zones = list(zones)
        self.reads = 0
        self.now = 0.0

    async def read(self):
        self.reads += 1
        return {zone: f"id-of-{zone}" for zone in self.zones}

    def clock(self):
        return self.now

    def open(self, *only):
        return Zones("a-vendor", self.read, only, clock=self.clock)


async def test_the_longest_zone_holds_a_name():
    account = Account("example.com", "eu.example.com", "example.org")
    zones = account.open()
    assert await zones.of("acme.example.com") == "example.com"
    assert await zones.of("acme.eu.example.com") == "eu.example.com"
    assert await zones.of("example.org") == "example.org"
    assert await zones.identifier("example.org") == "id-of-example.org"
    assert list(await zones.all()) == ["example.com", "eu.example.com", "example.org"]
    assert account.reads == 1


async def test_only_configured_zones_are_served():
    zones = Account("example.com", "example.org").open("Example.COM.")
    assert await zones.of("acme.example.com") == "example.com"
    with pytest.raises(Conflict) as caught:
        await zones.of("acme.example.org")
    assert caught.value.reason == "ZONE_NOT_SERVED"
    with pytest.raises(Conflict):
        await zones.identifier("example.org")


async def test_a_new_zone_is_found_soon_but_nonsense_does_not_ask_the_vendor_each_time():
    account = Account("example.com")
    zones = account.open()
    for _ in range(5):
        with pytest.raises(Conflict):
            await zones.of("acme.example.net")
    assert account.reads == 1
    account.zones.append("example.net")
    account.now += 31
    assert await zones.of("acme.example.net") == "example.net"
    assert account.reads == 2


async def test_zones_are_read_again_after_five_minutes():
    account = Account("example.com")
    zones = account.open()
    await zones.of("acme.example.com")
    account.now += 299
    await zones.of("acme.example.com")
    assert account.reads == 1
    account.now += 2
    await zones.of("acme.example.com")
    assert account.reads == 2


async def test_a_check_asks_the_vendor_and_misses_configured_zones():
    account = Account("example.com")
    zones = account.open("example.com", "example.org")
    with pytest.raises(Conflict) as caught:
        await zones.check()
    assert caught.value.facts["name"] == "example.org"
    account.zones.append("example.org")
    account.now += 31
    await zones.check()
    await zones.check()
    assert account.reads == 2


async def test_a_check_fails_with_the_vendor():
    async def broken():
        raise Unavailable("Away.", reason="PROVIDER_UNAVAILABLE")

    with pytest.raises(Unavailable):
        await Zones("a-vendor", broken, ()).check()
