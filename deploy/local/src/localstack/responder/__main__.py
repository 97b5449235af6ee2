"""Serve one zone until told to stop: python -m localstack.responder --help."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

import dns.tsig

from localstack.responder.server import Responder, serving
from localstack.responder.zonedata import ZoneData
from localstack.site import HOST


async def main() -> None:
    """Read the zone and the key, and serve."""
    parser = argparse.ArgumentParser(prog="python -m localstack.responder", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="the port, UDP and TCP")
    parser.add_argument("--zone", required=True, help="the name of the zone")
    parser.add_argument("--file", type=Path, required=True, help="the file of the zone; updates are written to it")
    parser.add_argument("--key", required=True, help="the name of the key that updates are signed with")
    parser.add_argument("--secret", type=Path, required=True, help="a file with the key's secret, in hex")
    chosen = parser.parse_args()
    key = dns.tsig.Key(chosen.key, bytes.fromhex(chosen.secret.read_text()), dns.tsig.HMAC_SHA256)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(Responder(ZoneData.load(chosen.zone, chosen.file), key), HOST, chosen.port):
        print(f"{chosen.zone} is served on {HOST}:{chosen.port}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
