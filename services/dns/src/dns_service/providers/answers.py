"""Answers of name servers, as far as anybody here looks at them."""

from __future__ import annotations

import dns.message
from dns.message import Message

_ANSWERING = slice(6, 8)
"""Where a message says how many records answer (RFC 1035, 4.1.1); right behind it, how many are added to them."""
_ADDED = 4


def read(wire: bytes) -> Message:
    """An answer that is not signed. What a server adds to records that answer is left unread.

    It says who else could be asked, and where, and to read it takes longer than to read the answer. Where nothing
    answers, it says why.
    """
    end = _ANSWERING.stop
    if any(wire[_ANSWERING]):
        wire = wire[:end] + bytes(_ADDED) + wire[end + _ADDED :]
    try:
        return dns.message.from_wire(wire, ignore_trailing=True, raise_on_truncation=True)
    except dns.message.Truncated as cut:
        heard: Message = cut.message()  # type: ignore[no-untyped-call]  # the library gives no types here
        return heard
