"""Signatures, ours and the pipeline's: HMAC-SHA256 over a timestamp and the bytes that are sent.

While a secret is being changed there are two. We sign with both, and take what either of them signed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime

from deployments_service.model import SignedReport
from faults import Fault, Unauthenticated

TOLERANCE_SECONDS = 20
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_MOST_SIGNATURES = 2


def signatures(secrets: Sequence[str], timestamp: str, body: bytes) -> str:
    """What goes into the header of a call: the signatures under each secret, with commas between them."""
    text = f"{timestamp}.".encode() + body
    return ",".join(_signature(secret, text) for secret in secrets)


def text_of(signed: SignedReport) -> bytes:
    """What a pipeline signs."""
    about = f"{signed.timestamp}.{signed.tenant_id}.{signed.app}.{signed.rollout_id}."
    return about.encode() + signed.body


def verify(signed: SignedReport, secrets: Sequence[str], now: datetime) -> None:
    """Make sure that a report was signed with one of the secrets, and just now.

    The signature comes first: who cannot sign is told nothing of our clock.

    Raises:
        Unauthenticated: SIGNATURE_INVALID, SIGNATURE_EXPIRED.
    """
    if not _TIMESTAMP.fullmatch(signed.timestamp):
        raise _invalid("x-timestamp")
    text = text_of(signed)
    given = [one.strip().encode() for one in signed.signature.split(",")][:_MOST_SIGNATURES]
    known = [_signature(secret, text).encode() for secret in secrets]
    # Every pair is compared, so that the time it takes tells nothing.
    if True not in [hmac.compare_digest(ours, theirs) for ours in known for theirs in given]:
        raise _invalid("x-signature")
    skew = int(signed.timestamp) - now.timestamp()
    if abs(skew) > TOLERANCE_SECONDS:
        raise Unauthenticated(
            "The report was signed too long ago, or by a clock that is wrong.",
            reason="SIGNATURE_EXPIRED",
            facts={"tolerance_seconds": TOLERANCE_SECONDS, "skew_seconds": round(skew)},
        )


def _signature(secret: str, text: bytes) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def _invalid(header: str) -> Fault:
    return Unauthenticated(
        "The report is not signed as it should be.", reason="SIGNATURE_INVALID", facts={"header": header}
    )
