"""Time stamps over signatures: CAdES-T, the attribute signature-time-stamp (RFC 5126, 6.1.1) with a token of RFC 3161.

A token proves that the signature was there at its time, and so that it was made no later. It holds if its imprint is
the digest of this very signature; its own signature covers what it says, by a certificate that is for time stamping
alone, is the one that the token names (RFC 5816), is valid at the moment of the check, and leads to a trusted root.

The authority's certificate must be valid now and not only then: whoever gets hold of the key of an ended one could set
any time. So a stamp counts for as long as its authority's certificate does, some years; stamps over stamps (CAdES-A)
are not read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import ExtendedKeyUsageOID

from events.model import Reason
from services.shipping.authorities import Authorities
from services.shipping.ber import first_value
from services.shipping.certificates import CANNOT_BE_READ, Extension, purposes_of
from services.shipping.cms import BadSignature, Signed, algorithm_of, attribute_of, parse, read_signed, values_of

TIME_STAMP = "1.2.840.113549.1.9.16.2.14"
TST_INFO = "1.2.840.113549.1.9.16.1.4"
SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
IN_PROCESS = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
BY_OPENSSL = {"1.2.643.7.1.1.2.2": "md_gost12_256", "1.2.643.7.1.1.2.3": "md_gost12_512"}
"""GOST R 34.11-2012"""
CLOCKS_DIFFER = timedelta(minutes=5)
"""A stamp may be so much later than our clock says it is."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """A time stamp that holds."""

    time: datetime
    """UTC"""
    authority: str
    """RFC 4514"""


@asn1.sequence
class Imprint:
    """What a time stamp was given over: the digest (RFC 3161, 2.4.1)."""

    algorithm: asn1.TLV
    digest: bytes


@asn1.sequence
class TstInfo:
    """What a token says; of what is optional nothing matters here. A list of TLV stands for a sequence."""

    version: int
    policy: ObjectIdentifier
    imprint: Imprint
    serial: int
    time: asn1.GeneralizedTime
    accuracy: list[asn1.TLV] | None
    ordering: bool | None
    nonce: int | None
    authority: Annotated[list[asn1.TLV] | None, asn1.Implicit(0)]
    extensions: Annotated[list[asn1.TLV] | None, asn1.Implicit(1)]


@asn1.sequence
class NamedCertificate:
    """The certificate that an `ESSCertID` or `ESSCertIDv2` names."""

    algorithm: list[asn1.TLV] | None
    digest: bytes
    issuer: list[asn1.TLV] | None


@asn1.sequence
class SigningCertificate:
    """The attribute by which a token binds its certificate (RFC 5035, 3 and 4)."""

    certificates: list[NamedCertificate]
    policies: list[asn1.TLV] | None


def read_stamp(signed: Signed, authorities: Authorities, at: datetime) -> Stamped | Reason | None:
    """The time stamp over a signature, checked at `at`: None if there is none, why if it does not hold.

    Raises `CannotTell` and `NoCurrentList` where this machine can't decide. Of several stamps the first one counts.
    """
    try:
        tokens = values_of(signed.signer.unsigned_attributes or [], TIME_STAMP)
        if not tokens:
            return None
        return _checked(asn1.encode_der(tokens[0]), signed.signer.signature, authorities, at)
    except BadSignature as refused:
        why = refused.reason.message
    except CANNOT_BE_READ:
        why = "его не удалось прочитать."
    return Reason(code="time-stamp", message=f"Штамп времени не учтён: {why}")


def _checked(token: bytes, stamped: bytes, authorities: Authorities, at: datetime) -> Stamped:
    data = parse(token)
    content = data.encapsulated.content
    if not content or data.encapsulated.type.dotted_string != TST_INFO:
        raise ValueError("not a time-stamp token")
    info = asn1.decode_der(TstInfo, first_value(content))
    if any(extension.parse(Extension).critical for extension in info.extensions or []):
        raise BadSignature("time-stamp", "в нём есть критическое расширение, которого мы не знаем.")
    if _digest(algorithm_of(info.imprint.algorithm), stamped, authorities) != info.imprint.digest:
        raise BadSignature("time-stamp", "он не от этой подписи.")
    time = info.time.as_datetime().replace(tzinfo=UTC)
    token_signed = read_signed(content, data, authorities.intermediates)
    certificate = token_signed.certificate
    if time > at + CLOCKS_DIFFER or not certificate.not_valid_before_utc <= time <= certificate.not_valid_after_utc:
        raise BadSignature("time-stamp", f"его время, {time:%d.%m.%Y %H:%M} UTC, неверно.")
    _check_purpose(certificate)
    if not _is_named(token_signed, authorities):
        raise BadSignature("time-stamp", "в нём назван не тот сертификат, которым он подписан.")
    try:
        authorities.check(token_signed, at, at, "timestampsign")
    except BadSignature as refused:
        reasons = {
            "untrusted": "службе штампов времени, которая его выдала, мы не доверяем, или срок её сертификата истёк.",
            "revoked": "сертификат службы штампов времени отозван.",
        }
        raise BadSignature("time-stamp", reasons.get(refused.reason.code, "он подписан неверно.")) from None
    return Stamped(time, certificate.subject.rfc4514_string())


def _check_purpose(certificate: x509.Certificate) -> None:
    """Check the purpose of the certificate (RFC 3161, 2.3): for time stamping and nothing else, and the extension that
    says so is critical."""
    if purposes_of(certificate) != ([ExtendedKeyUsageOID.TIME_STAMPING.dotted_string], True):
        raise BadSignature("time-stamp", "сертификат, которым он подписан, выдан не для штампов времени.")


def _is_named(token: Signed, authorities: Authorities) -> bool:
    """The signed attribute names the certificate: another one with the same key can't be put in its place."""
    newer, older = (attribute_of(token.signer, each) for each in (SIGNING_CERTIFICATE_V2, SIGNING_CERTIFICATE))
    attribute, default = (newer, "2.16.840.1.101.3.4.2.1") if newer is not None else (older, "1.3.14.3.2.26")
    if attribute is None:
        return False
    named: NamedCertificate = attribute.parse(SigningCertificate).certificates[0]
    algorithm = named.algorithm[0].parse(ObjectIdentifier).dotted_string if named.algorithm else default
    der = token.certificate.public_bytes(Encoding.DER)
    return _digest(algorithm, der, authorities) == named.digest


def _digest(algorithm: str, data: bytes, authorities: Authorities) -> bytes:
    if algorithm in IN_PROCESS:
        return hashlib.new(IN_PROCESS[algorithm], data, usedforsecurity=False).digest()
    if algorithm in BY_OPENSSL:
        return authorities.digest(BY_OPENSSL[algorithm], data)
    raise BadSignature("time-stamp", f"алгоритм {algorithm} не поддерживается.")
