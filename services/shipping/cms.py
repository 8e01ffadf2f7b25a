"""Signed data of CMS (RFC 5652), read as strict DER with `cryptography.hazmat.asn1`; signatures of RSA and ECDSA.

Nothing here knows whom to trust (`services.shipping.authorities`), nor what has to be signed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ObjectIdentifier

from events.model import Reason

SIGNED_DATA = "1.2.840.113549.1.7.2"
DATA = "1.2.840.113549.1.7.1"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"

Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512

DIGESTS: dict[str, Hash] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
"""SHA-1 and older are not taken."""
RSA_PSS = "1.2.840.113549.1.1.10"
SIGNATURES = {
    "1.2.840.113549.1.1.1": None,  # RSA; the digest is named beside it
    RSA_PSS: None,
    "1.2.840.113549.1.1.11": hashes.SHA256.name,
    "1.2.840.113549.1.1.12": hashes.SHA384.name,
    "1.2.840.113549.1.1.13": hashes.SHA512.name,
    "1.2.840.10045.4.3.2": hashes.SHA256.name,
    "1.2.840.10045.4.3.3": hashes.SHA384.name,
    "1.2.840.10045.4.3.4": hashes.SHA512.name,
}
"""Signature algorithm → the digest it implies."""
GOST_KEYS = {"1.2.643.7.1.1.1.1", "1.2.643.7.1.1.1.2"}
"""GOST R 34.10-2012 with 256 and 512 bits"""


@asn1.sequence
class Algorithm:
    """`AlgorithmIdentifier`; `PlainAlgorithm` is the one without parameters."""

    oid: ObjectIdentifier
    parameters: asn1.TLV


@asn1.sequence
class PlainAlgorithm:
    oid: ObjectIdentifier


@asn1.sequence
class IssuerAndSerial:
    issuer: asn1.TLV
    serial: int


@asn1.sequence
class Attribute:
    type: ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class SignerInfo:
    version: int
    signer: Annotated[bytes, asn1.Implicit(0)] | IssuerAndSerial
    digest_algorithm: asn1.TLV
    signed_attributes: Annotated[list[Attribute] | None, asn1.Implicit(0)]
    signature_algorithm: asn1.TLV
    signature: bytes
    unsigned_attributes: Annotated[list[Attribute] | None, asn1.Implicit(1)]


@asn1.sequence
class EncapsulatedContent:
    type: ObjectIdentifier
    content: Annotated[bytes | None, asn1.Explicit(0)]


@asn1.sequence
class SignedData:
    version: int
    digest_algorithms: asn1.SetOf[asn1.TLV]
    encapsulated: EncapsulatedContent
    certificates: Annotated[list[x509.Certificate] | None, asn1.Implicit(0)]
    revocation: Annotated[list[asn1.TLV] | None, asn1.Implicit(1)]
    signers: asn1.SetOf[SignerInfo]


@asn1.sequence
class ContentInfo:
    type: ObjectIdentifier
    content: Annotated[SignedData, asn1.Explicit(0)]


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature, read, and the bytes that it is said to cover."""

    content: bytes
    der: bytes
    data: SignedData
    signer: SignerInfo
    certificate: x509.Certificate

    @property
    def is_gost(self) -> bool:
        """Is the signer's key one of GOST R 34.10-2012?"""
        return is_gost(self.certificate)


class Refused(Exception):
    """The signature is not good; carries the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.reason = Reason(code=code, message=message)


UNREADABLE = Reason(code="unreadable", message="Подпись не удалось прочитать: нужна отсоединённая подпись CMS в DER.")
WRONG_BYTES = "wrong-bytes"


def is_gost(certificate: x509.Certificate) -> bool:
    """Is its key one of GOST R 34.10-2012? `cryptography` can't tell more about it."""
    return certificate.public_key_algorithm_oid.dotted_string in GOST_KEYS


def wrong_bytes() -> Refused:
    """The signature is of something else."""
    return Refused(WRONG_BYTES, "Подпись не от этого документа: подписаны другие данные.")


def read_detached(content: bytes, signature: bytes) -> Signed:
    """A detached signature over `content`. Raises `Refused`, or `ValueError` for what is no such thing."""
    data = parse(signature)
    if data.encapsulated.content is not None:
        raise Refused("not-detached", "Нужна отсоединённая подпись, без самого документа внутри.")
    signer = only_signer(data)
    return Signed(content, signature, data, signer, certificate_of(signer, data.certificates or []))


def parse(signature: bytes) -> SignedData:
    """Raises `ValueError` for what is no signed data."""
    info = asn1.decode_der(ContentInfo, signature)
    if info.type.dotted_string != SIGNED_DATA:
        raise ValueError("not SignedData")
    return info.content


def only_signer(data: SignedData) -> SignerInfo:
    """Raises `Refused` where there are more, or none."""
    signers = data.signers.as_list()
    if len(signers) != 1:
        raise Refused("not-one-signer", f"Подпись должна быть одна, а их {len(signers)}.")
    return signers[0]


def certificate_of(signer: SignerInfo, among: Iterable[x509.Certificate]) -> x509.Certificate:
    """The certificate that the signer names: by issuer and serial number, or by its key's identifier."""
    for certificate in among:
        if isinstance(signer.signer, IssuerAndSerial):
            named = certificate.serial_number == signer.signer.serial
            if named and certificate.issuer == x509.Name.from_bytes(asn1.encode_der(signer.signer.issuer)):
                return certificate
        else:
            identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            if identifier.digest == signer.signer:
                return certificate
    raise Refused("no-certificate", "В подписи нет сертификата того, кто подписал.")


def verify_signature(signed: Signed) -> None:
    """RFC 5652, 5.4 and 5.6: over the signed attributes, of which one is the digest of the content; or directly."""
    content, signer, content_type = signed.content, signed.signer, signed.data.encapsulated.type.dotted_string
    digest = DIGESTS.get(algorithm_of(signer.digest_algorithm))
    algorithm = algorithm_of(signer.signature_algorithm)
    if digest is None or SIGNATURES.get(algorithm, "other") not in (None, digest.name):
        raise Refused(
            "algorithm", "Алгоритм подписи не поддерживается. Нужны ГОСТ Р 34.10-2012, RSA или ECDSA с SHA-2."
        )
    covered = content
    if signer.signed_attributes is not None:
        hasher = hashes.Hash(digest)
        hasher.update(content)
        value = attribute_of(signer, MESSAGE_DIGEST)
        named = attribute_of(signer, CONTENT_TYPE)
        if value is None or named is None or named.parse(ObjectIdentifier).dotted_string != content_type:
            raise ValueError("an attribute is missing, or the content type is not the signed one")
        if value.parse(bytes) != hasher.finalize():
            raise wrong_bytes()
        covered = asn1.encode_der(asn1.SetOf(signer.signed_attributes))
    elif content_type != DATA:
        raise ValueError("signed attributes are missing")
    key = signed.certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signer.signature, covered, _padding(algorithm, digest), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signer.signature, covered, ec.ECDSA(digest))
        else:
            raise UnsupportedAlgorithm("neither RSA nor ECDSA")
    except InvalidSignature:
        raise wrong_bytes() from None


def _padding(algorithm: str, digest: Hash) -> padding.AsymmetricPadding:
    if algorithm == RSA_PSS:
        return padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)
    return padding.PKCS1v15()


def signing_time(signer: SignerInfo) -> datetime | None:
    """What the signer's clock said; RFC 5652, 11.3: one of two forms."""
    value = attribute_of(signer, SIGNING_TIME)
    if value is None:
        return None
    form = asn1.UTCTime if value.tag_bytes == b"\x17" else asn1.GeneralizedTime
    time: asn1.UTCTime | asn1.GeneralizedTime = value.parse(form)
    return time.as_datetime().replace(tzinfo=UTC)


def attribute_of(signer: SignerInfo, oid: str) -> asn1.TLV | None:
    """The one value of a signed attribute; None if it is not there. Raises `ValueError` if it is there twice."""
    found = [attribute for attribute in signer.signed_attributes or [] if attribute.type.dotted_string == oid]
    if not found:
        return None
    (attribute,) = found
    (value,) = attribute.values.as_list()
    return value


def algorithm_of(identifier: asn1.TLV) -> str:
    try:
        oid: ObjectIdentifier = identifier.parse(Algorithm).oid
    except ValueError:
        oid = identifier.parse(PlainAlgorithm).oid
    return oid.dotted_string
