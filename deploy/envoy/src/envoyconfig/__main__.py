"""Write a gateway's configuration: python -m envoyconfig FOLDER dns=dns.mesh.svc:7104 tenants=tenants.mesh.svc:7101."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from envoyconfig import GatewaySettings, Upstream, write
from settingskit import SettingsInvalid, load


def main(words: list[str]) -> int:
    """Read the settings from the environment and the upstreams from the command line."""
    parser = argparse.ArgumentParser(prog="python -m envoyconfig", description="Write a gateway's configuration.")
    parser.add_argument("folder", type=Path, help="where the configuration and the descriptors go")
    parser.add_argument("upstreams", nargs="+", type=_upstream, metavar="DOMAIN=HOST:PORT", help="where a process is")
    chosen = parser.parse_args(words)
    try:
        settings = load(GatewaySettings, os.environ)
    except SettingsInvalid as problem:
        print(problem, file=sys.stderr)
        return 1
    print(write(chosen.folder, chosen.upstreams, settings))
    return 0


def _upstream(text: str) -> Upstream:
    domain, _, address = text.partition("=")
    host, _, port = address.rpartition(":")
    if not (domain and host and port.isdigit()):
        msg = f"{text!r} is not DOMAIN=HOST:PORT"
        raise argparse.ArgumentTypeError(msg)
    return Upstream(domain, host, int(port))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
