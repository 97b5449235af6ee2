"""The authoritative DNS server: BIND, from Debian's package; where that cannot be had, the responder of our own."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from localstack import debian
from localstack.component import Absent, Component, NotReady
from localstack.responder.policy import UPDATABLE
from localstack.site import HOST, Site

BIND = debian.Package("bind9", "named")
KEY = "tenantmesh"
ALGORITHM = "hmac-sha256"

# A short life for answers and, in the last field, for denials: a name is looked up again soon after it was made.
ZONE = """\
$TTL 60
@  IN  SOA  ns1.{zone}. hostmaster.{zone}. 1 3600 600 86400 5
@  IN  NS   ns1.{zone}.
ns1  IN  A  {host}
"""

NAMED = """\
options {{
  directory "{folder}";
  listen-on port {port} {{ {host}; }};
  listen-on-v6 {{ none; }};
  pid-file none;
  session-keyfile "{folder}/session.key";
  recursion no;
  dnssec-validation no;
  notify no;
  allow-query {{ {host}; }};
  allow-transfer {{ key "{key}"; }};
}};
controls {{ }};
key "{key}" {{ algorithm {algorithm}; secret "{secret}"; }};
zone "{zone}" {{
  type primary;
  file "{file}";
  update-policy {{ grant {key} subdomain {zone} {types}; }};
}};
"""


async def prepare(site: Site) -> str | None:
    """Write the zone, unless it is there from an earlier run, and the configuration."""
    note = None
    try:
        await debian.provide(BIND, site.cache)
    except Absent as reason:
        note = f"served by the embedded responder, because {reason}"
    _write_once(zone_file(site), ZONE.format(zone=site.settings.zone, host=HOST))
    config = site.folder / "named.conf"
    config.touch(mode=0o600)
    config.write_text(
        NAMED.format(
            folder=site.folder, host=HOST, port=site.ports["dns"], zone=site.settings.zone, file=zone_file(site),
            types=" ".join(sorted(UPDATABLE)), key=KEY, algorithm=ALGORITHM, secret=tsig_secret(site),
        )
    )  # fmt: skip
    return note


def zone_file(site: Site) -> Path:
    """The file of the zone. Each server has its own: BIND's goes with a journal that the responder cannot read."""
    server = "bind" if debian.locate(BIND, site.cache) else "responder"
    return site.folder / f"{site.settings.zone}.{server}"


def tsig_secret(site: Site) -> str:
    """The secret of the key that updates and transfers are signed with, in base64."""
    return base64.b64encode(bytes.fromhex(site.secret("tsig"))).decode()


def command(site: Site) -> list[str]:
    """The server in the foreground."""
    named = debian.locate(BIND, site.cache)
    if named:
        return [str(named.path), "-g", "-n", "1", "-c", str(site.folder / "named.conf")]
    return [
        sys.executable, "-m", "localstack.responder", "--port", str(site.ports["dns"]),
        "--zone", site.settings.zone, "--file", str(zone_file(site)),
        "--key", KEY, "--secret", str(site.secret_file("tsig")),
    ]  # fmt: skip


def environment(site: Site) -> Mapping[str, str]:
    """Where the libraries are that came with an unpacked BIND."""
    named = debian.locate(BIND, site.cache)
    return named.environment() if named else {}


async def ready(site: Site) -> None:
    """It answers for the zone, with authority."""
    import dns.asyncquery
    import dns.message
    import dns.rcode

    query = dns.message.make_query(site.settings.zone, "SOA")
    answer = await dns.asyncquery.udp(query, HOST, port=site.ports["dns"], timeout=1)
    if answer.rcode() != dns.rcode.NOERROR or not answer.answer:
        raise NotReady(dns.rcode.to_text(answer.rcode()))


def gives(site: Site) -> Mapping[str, str]:
    """Where updates go, and how they are signed; and that nobody else in the world knows the zone."""
    return {
        "DNS_PROVIDER": "rfc2136",
        "DNS_NAMESERVERS": site.address("dns"),
        "DNS_RESOLVERS": "none",
        "RFC2136_NAMESERVER": site.address("dns"),
        "RFC2136_ZONE": site.settings.zone,
        "RFC2136_TSIG_KEY": KEY,
        "RFC2136_TSIG_SECRET": tsig_secret(site),
        "RFC2136_TSIG_ALGORITHM": ALGORITHM,
    }


def _write_once(file: Path, text: str) -> None:
    if not file.exists():
        file.write_text(text)


NAMESERVER = Component(
    name="nameserver",
    summary="authoritative DNS for one zone",
    ports={"dns": 5353},
    prepare=prepare,
    command=command,
    environment=environment,
    ready=ready,
    gives=gives,
    patience=timedelta(seconds=30),
)
