"""Records that a client can't read: a header whose name is not UTF-8, a batch that unpacks to more than memory holds.

Kafka takes any bytes as a header's name, and any sender with access to an input topic can write them. Client libraries
give up on such a record: aiokafka itself raises with every fetch (confluent_kafka ends the process). Here every reader
gets the same in place of the headers: `postavka-unreadable` with the reason, so that a stage makes a dead letter of it,
and nobody takes the record for an event.
"""

from __future__ import annotations

from collections.abc import Mapping

from postavka.kernel.log.record import RawHeaders, Record

UNREADABLE = "postavka-unreadable"
"""The header that stands in place of the record's own; its value says why. A sender who writes it is believed."""
RAW_HEADERS = "postavka-raw-headers"
"""Beside it, where they are known: the headers as they lie in the record (name and value after their lengths)."""
MARKER = "postavka-marker"
"""On a record without key and value that stands for an offset without one (the marker of a transaction)."""
NOT_UTF_8 = b"the name of a header is not UTF-8"


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
