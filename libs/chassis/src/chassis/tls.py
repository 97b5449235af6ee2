"""The server's side of mutual TLS. Certificates that are rotated on disk serve the next connection."""

from __future__ import annotations

import ssl
from pathlib import Path

import grpc

from chassis.reloading import Reloading
from chassis.settings import TlsSettings


def server_credentials(settings: TlsSettings) -> grpc.ServerCredentials | None:
    """Credentials that follow their files, or None where plain text is configured.

    Raises:
        ValueError: when the files are no certificate, or the key is not the certificate's.
    """
    if settings.cert_file is None or settings.key_file is None:
        return None
    cert, key, authorities = settings.cert_file, settings.key_file, settings.client_ca_file
    paths = [path for path in (cert, key, authorities) if path]
    files = Reloading(paths, lambda: _configuration(cert, key, authorities), pause=0)
    return grpc.dynamic_ssl_server_credentials(
        files.value(),
        files.news,  # type: ignore[arg-type]  # asked at every handshake; the published types forget the answer None
        require_client_authentication=authorities is not None,
    )


def _configuration(cert: Path, key: Path, authorities: Path | None) -> grpc.ServerCertificateConfiguration:
    _try(cert, key, authorities)
    roots = authorities.read_bytes() if authorities else None
    return grpc.ssl_server_certificate_configuration([(key.read_bytes(), cert.read_bytes())], roots)


def _try(cert: Path, key: Path, authorities: Path | None) -> None:
    """Find out what gRPC would only say in its own log, handshake after handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
        if authorities:
            context.load_verify_locations(authorities)
    except ssl.SSLError as error:
        msg = f"{cert} and {key} are no certificate with its key: {error.reason}"
        raise ValueError(msg) from error
