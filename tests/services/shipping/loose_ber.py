"""Writes BER as loosely as X.690 allows: what signers in the world make of the same values."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat import asn1

from services.shipping.ber import tlv, values_in

OCTETS, PIECES = b"\x04", b"\x24"
Way = Callable[[bytes, bytes], bool]
"""Of a value's tag and content: is it to be written loosely?"""


def indefinite(tag: bytes, content: bytes) -> bytes:
    """A value that ends with a mark, not after a length."""
    return tag + b"\x80" + content + b"\x00\x00"


def everything(tag: bytes, content: bytes) -> bool:
    """Every `Way` there is."""
    return True


def loose(der: bytes, way: Way = everything) -> bytes:
    """The value `der` in BER: indefinite lengths, octet strings in two pieces, where `way` says so."""
    value = asn1.decode_der(asn1.TLV, der)
    tag, content = value.tag_bytes, bytes(value.data)
    if tag[0] & 0x20:
        inner = b"".join(loose(asn1.encode_der(each), way) for each in values_in(content))
        return indefinite(tag, inner) if way(tag, content) else tlv(tag, inner)
    if tag == OCTETS and len(content) > 1 and way(tag, content):
        middle = len(content) // 2
        return indefinite(PIECES, tlv(OCTETS, content[:middle]) + tlv(OCTETS, content[middle:]))
    return der
