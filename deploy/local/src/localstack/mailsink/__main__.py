"""Receive and show mails until told to stop: python -m localstack.mailsink --help."""

from __future__ import annotations

import argparse
import asyncio
import signal

from localstack.mailsink import Mailbox, pages, receiving
from localstack.site import HOST


async def main() -> None:
    """Serve SMTP and the pages."""
    parser = argparse.ArgumentParser(prog="python -m localstack.mailsink", description=__doc__)
    parser.add_argument("--smtp-port", type=int, required=True, help="the port mails are sent to")
    parser.add_argument("--http-port", type=int, required=True, help="the port they are shown on")
    chosen = parser.parse_args()
    mailbox, stop = Mailbox(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with receiving(mailbox, HOST, chosen.smtp_port), pages(mailbox, HOST, chosen.http_port):
        print(f"mails to {HOST}:{chosen.smtp_port} are shown on http://{HOST}:{chosen.http_port}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
