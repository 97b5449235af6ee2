"""What it means that a provider did not take a message, in the same words whichever it was."""

from __future__ import annotations

from datetime import timedelta

from notifications_service.model import Failure, Verdict


def unreachable() -> Verdict:
    """There was no connection, so nothing is under way."""
    return Verdict.failed(Failure.PROVIDER_UNAVAILABLE, "The provider could not be reached.")


def put_off(said: object, retry_after: timedelta | None = None) -> Verdict:
    """It takes nothing now."""
    return Verdict.failed(Failure.PROVIDER_UNAVAILABLE, f"The provider put us off ({said}).", retry_after)


def credentials_refused(said: object) -> Verdict:
    """It does not know us."""
    text = f"The provider refused the configured credentials ({said})."
    return Verdict.failed(Failure.PROVIDER_CREDENTIALS_REFUSED, text)


def refused(said: object) -> Verdict:
    """It does not take this message, and never will."""
    return Verdict.failed(Failure.MESSAGE_REFUSED, f"The provider refused the message ({said}).")


def recipient_refused(said: object) -> Verdict:
    """It sends nothing to this address."""
    return Verdict.failed(Failure.RECIPIENT_REFUSED, f"The provider refused the recipient ({said}).")


def failed_midway(said: object, retry_after: timedelta | None = None) -> Verdict:
    """It had the message when it failed: nobody knows."""
    return Verdict.failed(
        Failure.OUTCOME_UNKNOWN, f"The provider failed while it had the message ({said}).", retry_after
    )


def lost() -> Verdict:
    """It had the message when the connection ended: nobody knows."""
    return Verdict.failed(Failure.OUTCOME_UNKNOWN, "The connection ended after the message was handed over.")


def senseless() -> Verdict:
    """It answered something that nobody understands: nobody knows."""
    return Verdict.failed(Failure.OUTCOME_UNKNOWN, "The provider's answer could not be made sense of.")
