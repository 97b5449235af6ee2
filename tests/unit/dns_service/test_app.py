import subprocess
import sys

import pytest

from dns_service import app
from dns_service.providers import PROVIDERS
from dns_service.providers.memory import MemoryProvider
from dns_service.providers.rfc2136 import Rfc2136Provider
from dns_service.settings import DnsSettings
from dns_service.verification.providers.nolookup import NoLookup
from dns_service.verification.providers.targets import LiveTargets
from dns_service.verification.service import LiveVerifier

RFC2136 = {
    "DNS_PROVIDER": "rfc2136",
    "RFC2136_NAMESERVER": "127.0.0.1:53",
    "RFC2136_ZONE": "example.com",
    "RFC2136_TSIG_KEY": "a-key",
    "RFC2136_TSIG_SECRET": "c2VjcmV0",
}
HEAVY = {"boto3", "aioboto3", "cloudflare", "dns", "httpx", "lexicon", "confusable_homoglyphs"}


def parts(environ):
    _, provider, handlers = app.compose({"MESH_MODE": "development", **environ})
    return provider, handlers._records._verifier, handlers._records._targets


def test_in_memory_nobody_is_asked():
    provider, verifier, targets = parts({})
    assert isinstance(provider, MemoryProvider)
    assert isinstance(verifier, NoLookup)
    assert isinstance(targets, NoLookup)


def test_a_name_server_is_asked():
    provider, verifier, targets = parts(RFC2136)
    assert isinstance(provider, Rfc2136Provider)
    assert isinstance(verifier, LiveVerifier)
    assert isinstance(targets, LiveTargets)
    assert (targets._quorum, len(targets._servers)) == (2, 3)


def test_servers_that_stand_in_for_the_zones_own_know_targets_alone():
    _, _, targets = parts({**RFC2136, "DNS_NAMESERVERS": "127.0.0.1:5353", "DNS_RESOLVERS": "none"})
    assert (targets._quorum, len(targets._servers)) == (1, 1)


def test_targets_need_not_be_checked():
    assert isinstance(parts({**RFC2136, "DNS_CHECK_TARGETS": "false"})[2], NoLookup)


def test_everything_that_can_be_set_is_listed():
    listed = list(app.settings())
    assert listed[0] is DnsSettings
    assert len(listed) == 1 + len(PROVIDERS)


@pytest.mark.parametrize("provider", ["memory", "logging"])
def test_no_vendors_library_is_loaded_for_nothing(provider):
    environ = {"MESH_MODE": "development", "DNS_PROVIDER": provider}
    script = (
        f"import sys; from dns_service import app; app.compose({environ}); print(sorted({HEAVY} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
