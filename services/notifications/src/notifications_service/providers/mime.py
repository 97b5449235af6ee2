"""A message as mail servers take it: headers, a text part and an HTML part."""

from __future__ import annotations

import hashlib
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from notifications_service.model import Mailbox, Message


def needs_utf8(message: Message) -> bool:
    """Whether an address of the message has letters that only servers with SMTPUTF8 take."""
    return not (message.sender.email + message.recipient.email + message.reply_to).isascii()


def mime(message: Message) -> bytes:
    """The message's bytes, the same each time. A header takes no line break, whatever a name or a subject holds."""
    mail = EmailMessage(policy=SMTPUTF8 if needs_utf8(message) else SMTP)
    mail["Date"] = format_datetime(message.time)
    mail["Message-ID"] = message_id(message)
    mail["From"] = _address(message.sender)
    mail["To"] = _address(message.recipient)
    if message.reply_to:
        mail["Reply-To"] = _address(Mailbox(message.reply_to))
    mail["Subject"] = message.subject
    mail.set_content(message.text, cte="quoted-printable")
    mail.add_alternative(message.html, subtype="html", cte="base64")
    mail.set_boundary(f"=_{_digest(message)}")
    for name, value in headers(message).items():  # after the parts, which would take headers about content with them
        mail[name] = value
    return mail.as_bytes()


def headers(message: Message) -> dict[str, str]:
    """The headers beside those that every mail has."""
    said = {"Auto-Submitted": "auto-generated", "Content-Language": message.language}
    if message.unsubscribe_url:
        # RFC 8058: one click, by the mail program itself.
        said |= {
            "List-Unsubscribe": f"<{message.unsubscribe_url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
    return said


def message_id(message: Message) -> str:
    """By which servers and programs recognise the message when they get it twice."""
    return f"<{_digest(message)}@{message.sender.email.rpartition('@')[2]}>"


def display(mailbox: Mailbox) -> str:
    """An address with its name, as it stands in a header before it is encoded."""
    return str(_address(mailbox))


def _digest(message: Message) -> str:
    return hashlib.sha256(message.key.encode()).hexdigest()[:32]


def _address(mailbox: Mailbox) -> Address:
    name = " ".join(mailbox.name.split())
    if mailbox.email.isascii():
        return Address(name, addr_spec=mailbox.email)
    # An address in one piece must be ASCII to the standard library; in two pieces it need not be.
    local, _, domain = mailbox.email.rpartition("@")
    return Address(name, username=local.strip('"'), domain=domain)
