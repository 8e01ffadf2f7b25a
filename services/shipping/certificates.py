"""What a check needs of a certificate, and nothing else of it (X.509, RFC 5280).

`x509.Certificate.extensions` reads all extensions at once, so that one which can't be read (authorities write policy
notices in whatever encoding they have) would hide the key's usage. Here one extension is read at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from services.shipping.ber import values_in

KEY_USAGE = "2.5.29.15"
EXTENDED_KEY_USAGE = "2.5.29.37"
SUBJECT_KEY_IDENTIFIER = "2.5.29.14"
UNICODE = {b"\x0c": "utf-8", b"\x1e": "utf-16-be"}
"""UTF8String, BMPString"""
CANNOT_BE_READ = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises for a certificate, or a revocation list, that is badly made; its own
errors are no `ValueError`."""
DIGITAL_SIGNATURE, CONTENT_COMMITMENT, CRL_SIGN = 0, 1, 6
"""Bits of the key's usage."""
BY_OPENSSL = frozenset(("2.5.29.30", "2.5.29.31", "2.5.29.32", "2.5.29.36", "2.5.29.54"))
"""Critical extensions that openssl follows in a chain and `cryptography` doesn't: constraints of names, where lists are
published, policies and their constraints."""
UNDERSTOOD = BY_OPENSSL | {
    KEY_USAGE,
    EXTENDED_KEY_USAGE,
    SUBJECT_KEY_IDENTIFIER,
    "2.5.29.17",  # subjectAltName
    "2.5.29.19",  # basicConstraints
    "2.5.29.35",  # authorityKeyIdentifier
}
"""What a signer's certificate may call critical."""


@asn1.sequence
class Extension:
    """An extension of a certificate or a list (RFC 5280, 4.1); `value` is DER."""

    id: ObjectIdentifier
    critical: bool | None
    value: bytes


@asn1.sequence
class TbsCertificate:
    """What the issuer of a certificate has signed (RFC 5280, 4.1)."""

    version: Annotated[int | None, asn1.Explicit(0)]
    serial: int
    algorithm: asn1.TLV
    issuer: asn1.TLV
    validity: asn1.TLV
    subject: asn1.TLV
    key: asn1.TLV
    issuer_id: Annotated[asn1.BitString | None, asn1.Implicit(1)]
    subject_id: Annotated[asn1.BitString | None, asn1.Implicit(2)]
    extensions: Annotated[list[Extension] | None, asn1.Explicit(3)]


def issuer_of(certificate: x509.Certificate) -> bytes:
    """The issuer's name in DER, as it stands."""
    return asn1.encode_der(_tbs(certificate).issuer)


def subject_of(certificate: x509.Certificate) -> bytes:
    """The subject's name in DER, as it stands."""
    return asn1.encode_der(_tbs(certificate).subject)


def is_same(one: bytes, other: bytes) -> bool:
    """Are these two names (DER) one, be it in different types of strings?"""
    try:
        return one == other or x509.Name.from_bytes(one) == x509.Name.from_bytes(other)
    except CANNOT_BE_READ:
        return False


def read_name(name: bytes) -> x509.Name:
    """A name that `cryptography` can't read, because its texts are not what their types say: in the encodings in which
    authorities write them all the same. Raises `ValueError` for what is no name."""
    parts = []
    for part in _values_within(name):
        attributes = [_values_within(asn1.encode_der(each)) for each in values_in(bytes(part.data))]
        texts = [(kind.parse(ObjectIdentifier), _text(value)) for kind, value in attributes]
        parts.append(x509.RelativeDistinguishedName(x509.NameAttribute(*each, _validate=False) for each in texts))
    return x509.Name(parts)


def _text(value: asn1.TLV) -> str:
    """Raises `ValueError` for a text of Unicode that is none, as openssl does."""
    data = bytes(value.data)
    if value.tag_bytes in UNICODE:
        return data.decode(UNICODE[value.tag_bytes]) or " "
    try:
        return data.decode("utf-8") or " "
    except UnicodeDecodeError:
        return data.decode("cp1251", "replace")


def _values_within(sequence: bytes) -> list[asn1.TLV]:
    return values_in(bytes(asn1.decode_der(asn1.TLV, sequence).data))


def extension_of(certificate: x509.Certificate, oid: str) -> Extension | None:
    """The one extension of this kind; None if there is none. Raises `ValueError` if there are two of any kind."""
    return _extensions(certificate).get(oid)


def critical_in(certificate: x509.Certificate) -> set[str]:
    """The ids of its critical extensions. One that nobody here knows makes it useless (RFC 5280, 4.2)."""
    return {oid for oid, extension in _extensions(certificate).items() if extension.critical}


def may(certificate: x509.Certificate, usages: Iterable[int]) -> bool:
    """May its key be used for one of these? A certificate that does not say may be used for all."""
    extension = extension_of(certificate, KEY_USAGE)
    if extension is None:
        return True
    bits = asn1.decode_der(asn1.BitString, extension.value).as_bytes()
    return any(usage < 8 * len(bits) and bits[usage // 8] & 0x80 >> usage % 8 for usage in usages)


def purposes_of(certificate: x509.Certificate) -> tuple[list[str], bool]:
    """What it is for (extended key usage), and whether it says so critically."""
    extension = extension_of(certificate, EXTENDED_KEY_USAGE)
    if extension is None:
        return [], False
    listed = _values_within(extension.value)
    return [each.parse(ObjectIdentifier).dotted_string for each in listed], bool(extension.critical)


def key_identifier_of(certificate: x509.Certificate) -> bytes | None:
    """The identifier by which a signer may name it."""
    extension = extension_of(certificate, SUBJECT_KEY_IDENTIFIER)
    return asn1.decode_der(bytes, extension.value) if extension is not None else None


def _tbs(certificate: x509.Certificate) -> TbsCertificate:
    return asn1.decode_der(TbsCertificate, certificate.tbs_certificate_bytes)


def _extensions(certificate: x509.Certificate) -> dict[str, Extension]:
    listed = _tbs(certificate).extensions or []
    found = {extension.id.dotted_string: extension for extension in listed}
    if len(found) != len(listed):
        raise ValueError("an extension is there twice")
    return found
