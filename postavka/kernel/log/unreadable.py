"""Records that a client can't read: a header whose name is not UTF-8, a batch that unpacks to more than memory holds.

Kafka takes any bytes as a header's name, and any sender with access to an input topic can write them. Both client
libraries give up on such a record: aiokafka raises with every fetch, confluent_kafka's `headers()` leaves an
error behind that nobody looks at, and hands out a list with a hole in it, which ends the process when it is touched.
Here every reader gets the same in place of the headers: `postavka-unreadable` with the reason, so that a stage makes a
dead letter of it, and nobody takes the record for an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import methodcaller
from typing import TYPE_CHECKING

from postavka.kernel.log.record import RawHeaders, Record

if TYPE_CHECKING:
    from confluent_kafka import Message

UNREADABLE = "postavka-unreadable"
"""The header that stands in place of the record's own; its value says why. A sender who writes it is believed."""
RAW_HEADERS = "postavka-raw-headers"
"""Beside it, where they are known: the headers as they lie in the record (name and value after their lengths)."""
MARKER = "postavka-marker"
"""On a record without key and value that stands for an offset without one (the marker of a transaction)."""
NOT_UTF_8 = b"the name of a header is not UTF-8"


_headers = methodcaller("headers")
"""Looks at errors, always. Python's interpreter, once it has seen a method called a few times, trusts it not to return
a list and an error at once."""


def headers_of(message: Message) -> RawHeaders:
    """The headers of librdkafka's message. The only way to ask for them."""
    try:
        return tuple(_headers(message) or ())
    except SystemError:  # "returned a result with an exception set": a UnicodeDecodeError that was not looked at
        message.set_headers([(UNREADABLE, NOT_UTF_8)])  # whoever asks next would get the list with the hole
        return ((UNREADABLE, NOT_UTF_8),)


def why_unreadable(headers: RawHeaders, found: Mapping[str, bytes] | None = None) -> str | None:
    """Why nothing can be made of a record; None for a record like any other. `found`: what `header_map` has made of
    its headers, if that is at hand: then they are gone through only where one of them is missing in it."""
    if found is not None and len(found) == len(headers) and UNREADABLE not in found:
        return None
    for name, value in headers:
        if name == UNREADABLE:
            return (value or b"").decode("utf-8", "replace")
    return None


def is_marker(record: Record) -> bool:
    """Does it only say that an offset is taken? Whoever writes such a record himself has said nothing either."""
    return record.value is None and record.key is None and record.headers == ((MARKER, b"1"),)
