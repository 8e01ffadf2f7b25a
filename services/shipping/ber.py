"""BER (X.690), rewritten as DER is: definite, shortest lengths and strings in one piece.

RFC 5652 lets a signature be BER, and Diadoc's and those of `openssl cms -stream` are; what reads it here
takes DER alone. What a signature covers (attributes, certificates) is DER as it comes, and so stays byte for byte as it
is. Elements of a SET keep their order: in some signatures that is not DER's, and is what was signed.
"""

from __future__ import annotations

from cryptography.hazmat import asn1

SEQUENCE, SET = b"\x30", b"\x31"
BIT_STRING = 3
STRINGS = frozenset((BIT_STRING, 4, 12, *range(18, 31)))
"""Numbers of the universal types that BER lets come in pieces, times among them."""
CONSTRUCTED = 0x20
INDEFINITE = 0x80
"""In the place of a length."""
DEEPEST = 50
"""Values within values: a signature with a stamp and its certificates has some twenty."""
LONGEST_LENGTH = 4
"""Bytes of a length."""


@asn1.sequence
class _Values:
    listed: list[asn1.TLV]


def tlv(tag: bytes, content: bytes) -> bytes:
    """A value of DER: tag, length, content."""
    size = len(content)
    if size < 0x80:
        return tag + bytes((size,)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return tag + bytes((0x80 | len(length),)) + length + content


def values_in(content: bytes) -> list[asn1.TLV]:
    """The values of DER that stand one after another in `content`. Raises `ValueError` for anything else."""
    return asn1.decode_der(_Values, tlv(SEQUENCE, tlv(SEQUENCE, content))).listed


def first_value(data: bytes) -> bytes:
    """The first value in `data`. What stands after it (the line end of an e-mail) belongs to nothing and is left out.

    Raises `ValueError` for what is no BER.
    """
    tag, content, _ = _value(data, 0, len(data), 0)
    return tlv(tag, content)


def _value(data: bytes, at: int, end: int, depth: int) -> tuple[bytes, bytes, int]:
    """Tag and content of the value at `at`, and where the next one begins; none of it is after `end`."""
    tag, at = _tag(data, at, end)
    length, at = _length(data, at, end)
    stop = end if length is None else at + length
    if stop > end or depth > DEEPEST:
        raise ValueError("a value longer than what holds it, or values too deep in one another")
    if not tag[0] & CONSTRUCTED:
        if length is None:
            raise ValueError("a primitive value without a length")
        return tag, data[at:stop], stop
    parts: list[tuple[bytes, bytes]] = []
    while length is None or at < stop:
        if length is None and data[at : min(at + 2, stop)] == b"\x00\x00":
            at += 2
            break
        inner, content, at = _value(data, at, stop, depth + 1)
        parts.append((inner, content))
    if tag[0] & ~CONSTRUCTED in STRINGS:
        return *_joined(bytes((tag[0] & ~CONSTRUCTED,)), parts), at
    return tag, b"".join(tlv(*part) for part in parts), at


def _tag(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    start = at
    if at >= end or data[at] == 0:
        raise ValueError("a value is missing")
    at += 1
    if data[start] & 0x1F == 0x1F:
        while at < end and data[at] & 0x80:
            at += 1
        at += 1
    return data[start:at], at


def _length(data: bytes, at: int, end: int) -> tuple[int | None, int]:
    """The length that is written there; None: indefinite, up to an end-of-contents mark."""
    if at >= end:
        raise ValueError("a length is missing")
    first = data[at]
    if first < 0x80:
        return first, at + 1
    if first == INDEFINITE:
        return None, at + 1
    after = at + 1 + (first & 0x7F)
    digits = data[at + 1 : after].lstrip(b"\x00")
    if after > end or len(digits) > LONGEST_LENGTH:
        raise ValueError("a length is cut off or too long")
    return int.from_bytes(digits, "big"), after


def _joined(tag: bytes, parts: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """A string of its pieces, which are of its own type; those of a bit string begin with how many bits are unused."""
    if any(inner != tag for inner, _ in parts):
        raise ValueError("a string of pieces of another type")
    contents = [content for _, content in parts]
    if tag[0] != BIT_STRING:
        return tag, b"".join(contents)
    if not all(contents) or any(content[0] for content in contents[:-1]):
        raise ValueError("a bit string with a gap")
    return tag, (contents[-1][:1] if contents else b"\x00") + b"".join(content[1:] for content in contents)
