"""How a process proves to its targets who it is: certificates and tokens that follow their files."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import grpc

from chassis.client.settings import ClientSettings, ClientTlsSettings
from chassis.reloading import Reloading

TokenProvider: TypeAlias = Callable[[], Awaitable[str]]
"""Answers the bearer token to send: one that is good for a minute yet."""

_log = logging.getLogger(__name__)
_REFRESH: Final = 20.0  # seconds between two questions for the token
_LOOPBACK: Final = ("localhost:", "127.", "[::1]:", "unix:", "ipv4:127.", "ipv6:[::1]:")


def channel_credentials(settings: ClientTlsSettings) -> Callable[[], grpc.ChannelCredentials | None]:
    """A function that answers the credentials of the files as they are now; the same ones while those do not change.

    Raises:
        ValueError: when the files are no certificate, or the key is not the certificate's.
    """
    if not settings.wanted:
        return lambda: None
    paths = [path for path in (settings.ca_file, settings.cert_file, settings.key_file) if path]
    return Reloading(paths, lambda: _read(settings)).value


def _read(settings: ClientTlsSettings) -> grpc.ChannelCredentials:
    ca, cert, key = settings.ca_file, settings.cert_file, settings.key_file
    # What gRPC would only say in its own log, at every attempt to connect.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca:
            context.load_verify_locations(ca)
        if cert:
            context.load_cert_chain(cert, key)
    except ssl.SSLError as error:
        msg = f"no certificates that belong together: {', '.join(str(each) for each in (ca, cert, key) if each)}"
        raise ValueError(msg) from error
    return grpc.ssl_channel_credentials(*(path.read_bytes() if path else None for path in (ca, key, cert)))


@asynccontextmanager
async def tokens(
    target: str, settings: ClientSettings, provider: TokenProvider | None
) -> AsyncIterator[Callable[[], str]]:
    """A function that answers the token to send now, empty for none.

    It never waits, so that making a call does not either: a provider is asked now and then, ahead of need.

    Raises:
        ValueError: when the token would cross a network in plain text.
    """
    if (provider or settings.token_file) and not settings.tls.wanted and not target.startswith(_LOOPBACK):
        msg = f"a bearer token for {target} needs RPC_TLS: in plain text everybody on the way could use it"
        raise ValueError(msg)
    if provider is not None:
        async with _refreshed(provider) as token:
            yield token
    elif settings.token_file is not None:
        path = settings.token_file
        yield Reloading([path], lambda: path.read_text().strip()).value
    else:
        yield str


@asynccontextmanager
async def _refreshed(provider: TokenProvider) -> AsyncIterator[Callable[[], str]]:
    token = await provider()

    async def refresh() -> None:
        nonlocal token
        while True:
            await asyncio.sleep(_REFRESH)
            try:
                token = await provider()
            except Exception as error:  # noqa: BLE001 - whatever the provider is; the token at hand may still be good
                _log.error("no new token; the last one is used on", extra={"cause": type(error).__name__})

    task = asyncio.create_task(refresh(), name="token-refresh")
    try:
        yield lambda: token
    finally:
        task.cancel()
        await asyncio.wait([task])
