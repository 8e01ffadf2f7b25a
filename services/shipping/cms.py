"""Signed data of CMS (RFC 5652) in BER or DER, read with `cryptography.hazmat.asn1`; signatures of RSA and ECDSA.

What openssl takes is taken: lengths that are indefinite, bytes after the end, attributes in whatever order they were
signed, certificates of other kinds beside. docs/documents.md says which libraries were tried in the place of this.
Nothing here knows whom to trust (`services.shipping.authorities`), nor what has to be signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ObjectIdentifier

from events.model import Reason
from services.shipping.ber import INDEFINITE, SEQUENCE, SET, first_value, tlv, values_in
from services.shipping.certificates import CANNOT_BE_READ, is_same, issuer_of, key_identifier_of

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
_CLOCK = (
    r"(?P<month>\d\d)(?P<day>\d\d)(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?([.,]\d+)?"
    r"(Z|(?P<sign>[+-])(?P<hours>\d\d)(?P<minutes>\d\d))"
)
TIMES = {
    b"\x17": re.compile(rf"(?P<year>\d\d){_CLOCK}", re.ASCII),
    b"\x18": re.compile(rf"(?P<year>\d{{4}}){_CLOCK}", re.ASCII),
}
"""UTCTime and GeneralizedTime, as BER lets them be written."""
MOST_OTHERS = 20
"""Certificates of a signature that a chain is looked for among; each one tried may cost a process of openssl."""
GOST_KEYS = {"1.2.643.7.1.1.1.1", "1.2.643.7.1.1.1.2"}
"""GOST R 34.10-2012 with 256 and 512 bits"""


@asn1.sequence
class Algorithm:
    """An `AlgorithmIdentifier`; `PlainAlgorithm` is the one without parameters."""

    oid: ObjectIdentifier
    parameters: asn1.TLV


@asn1.sequence
class PlainAlgorithm:
    """An `AlgorithmIdentifier` without parameters."""

    oid: ObjectIdentifier


@asn1.sequence
class IssuerAndSerial:
    """The name of a signer's certificate (RFC 5652, 10.2.4)."""

    issuer: asn1.TLV
    serial: int


@asn1.sequence
class Attribute:
    """A signed or unsigned attribute; `values` is a set (RFC 5652, 5.3)."""

    type: ObjectIdentifier
    values: asn1.TLV


@asn1.sequence
class SignerInfo:
    """One signer: certificate, algorithms, attributes and signature (RFC 5652, 5.3)."""

    version: int
    signer: Annotated[bytes, asn1.Implicit(0)] | IssuerAndSerial
    digest_algorithm: asn1.TLV
    signed_attributes: Annotated[list[asn1.TLV] | None, asn1.Implicit(0)]
    signature_algorithm: asn1.TLV
    signature: bytes
    unsigned_attributes: Annotated[list[asn1.TLV] | None, asn1.Implicit(1)]


@asn1.sequence
class EncapsulatedContent:
    """What was signed; None in `content` of a detached signature (RFC 5652, 5.2)."""

    type: ObjectIdentifier
    content: Annotated[bytes | None, asn1.Explicit(0)]


@asn1.sequence
class SignedData:
    """Sets are read by `elements`: their order is not looked at, and what they hold may be of several kinds."""

    version: int
    digest_algorithms: asn1.TLV
    encapsulated: EncapsulatedContent
    certificates: Annotated[list[asn1.TLV] | None, asn1.Implicit(0)]
    revocation: Annotated[list[asn1.TLV] | None, asn1.Implicit(1)]
    signers: asn1.TLV


@asn1.sequence
class ContentInfo:
    """The outermost structure of a signature (RFC 5652, 3)."""

    type: ObjectIdentifier
    content: Annotated[SignedData, asn1.Explicit(0)]


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature, read, and the bytes that it is said to cover."""

    content: bytes
    data: SignedData
    signer: SignerInfo
    certificate: x509.Certificate
    others: tuple[x509.Certificate, ...]
    """The certificates in it that can be read, the first `MOST_OTHERS`."""

    @property
    def is_detached(self) -> bool:
        """Is the content not inside?"""
        return not self.data.encapsulated.content

    def encodings(self) -> Iterator[bytes]:
        """The whole in DER, with the signed attributes in each order in which they may have been signed."""
        for attributes in _orders(self.signer.signed_attributes or []):
            listed = [asn1.decode_der(asn1.TLV, attribute) for attribute in attributes]
            signer = _changed(self.signer, signed_attributes=listed or None)
            data = _changed(self.data, signers=asn1.decode_der(asn1.TLV, tlv(SET, asn1.encode_der(signer))))
            yield asn1.encode_der(ContentInfo(type=ObjectIdentifier(SIGNED_DATA), content=data))

    @property
    def is_gost(self) -> bool:
        """Is the signer's key one of GOST R 34.10-2012?"""
        return is_gost(self.certificate)


class BadSignature(Exception):
    """The signature is not good; carries the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.reason = Reason(code=code, message=message)


UNREADABLE = Reason(code="unreadable", message="Подпись не удалось прочитать: нужна отсоединённая подпись CMS.")
WRONG_BYTES = "wrong-bytes"


def is_gost(certificate: x509.Certificate) -> bool:
    """Is its key one of GOST R 34.10-2012? `cryptography` reads no more of it."""
    return certificate.public_key_algorithm_oid.dotted_string in GOST_KEYS


def wrong_bytes() -> BadSignature:
    """The signature is of something else."""
    return BadSignature(WRONG_BYTES, "Подпись не от этого документа: подписаны другие данные.")


def malformed(why: str) -> BadSignature:
    """It is a signature, but not made as RFC 5652 says."""
    return BadSignature("malformed", f"Подпись составлена с нарушением формата CMS: {why}.")


def unreadable_certificate(serial: int) -> BadSignature:
    """The certificate by which was signed is there, and something that is needed of it can't be read."""
    return BadSignature(
        "unreadable-certificate", f"Сертификат подписи № {serial:X} составлен с ошибками и не прочитан."
    )


def other_algorithm() -> BadSignature:
    """No algorithm of ours."""
    return BadSignature(
        "algorithm", "Алгоритм подписи не поддерживается. Нужны ГОСТ Р 34.10-2012, RSA или ECDSA с SHA-2."
    )


def read_detached(content: bytes, signature: bytes) -> Signed:
    """A detached signature over `content`. Raises `BadSignature`, or `ValueError` for what is no such thing.

    A signer that streams (`openssl cms -stream`) puts the document inside even where it is asked to leave it out: that
    is taken, if it is this very document.
    """
    data = parse(signature)
    inside = data.encapsulated.content
    if inside and signature[1] != INDEFINITE:
        raise BadSignature("not-detached", "Нужна отсоединённая подпись, без самого документа внутри.")
    if inside and inside != content:
        raise wrong_bytes()
    return read_signed(content, data)


def read_signed(content: bytes, data: SignedData, more: Iterable[x509.Certificate] = ()) -> Signed:
    """The one signature in `data`; its certificate may be among `more`. Raises `BadSignature`."""
    signers = elements(data.signers)
    if len(signers) != 1:
        raise BadSignature("not-one-signer", f"Подпись должна быть одна, а их {len(signers)}.")
    signer: SignerInfo = signers[0].parse(SignerInfo)
    certificates = tuple(_certificates_in(data))
    return Signed(content, data, signer, _certificate_of(signer, [*certificates, *more]), certificates[:MOST_OTHERS])


def parse(signature: bytes) -> SignedData:
    """Raises `ValueError` for what is no signed data."""
    info = asn1.decode_der(ContentInfo, first_value(signature))
    if info.type.dotted_string != SIGNED_DATA:
        raise ValueError("not SignedData")
    return info.content


def elements(of: asn1.TLV) -> list[asn1.TLV]:
    """What a SET OF holds, in the order in which it stands. Raises `ValueError` for anything else."""
    if of.tag_bytes != SET:
        raise ValueError("not a SET")
    return values_in(bytes(of.data))


def _certificates_in(data: SignedData) -> Iterator[x509.Certificate]:
    """The certificates in a signature (RFC 5652, 10.2.2): beside those of X.509 there may be others, which nothing here
    needs. One that can't be read is left out as well: if it is the signer's, that is reported."""
    for each in data.certificates or []:
        if each.tag_bytes == SEQUENCE:
            try:
                yield x509.load_der_x509_certificate(asn1.encode_der(each))
            except CANNOT_BE_READ:
                continue


def _certificate_of(signer: SignerInfo, among: Iterable[x509.Certificate]) -> x509.Certificate:
    """The certificate that the signer names: by issuer and serial number, or by its key's identifier."""
    named = signer.signer
    for certificate in among:
        try:
            if isinstance(named, IssuerAndSerial):
                issuer = asn1.encode_der(named.issuer)
                fits = certificate.serial_number == named.serial and is_same(issuer_of(certificate), issuer)
            else:
                fits = key_identifier_of(certificate) == named
        except CANNOT_BE_READ:  # this one can't be read, and is perhaps not the one
            continue
        if fits:
            return certificate
    number = f" № {named.serial:X}" if isinstance(named, IssuerAndSerial) else ""
    message = f"В подписи нет сертификата{number}, которым она сделана, или его не удалось прочитать."
    raise BadSignature("no-certificate", message)


def _changed(thing: Any, **changes: object) -> Any:
    names = type(thing).__dataclass_fields__
    return type(thing)(**{name: changes.get(name, getattr(thing, name)) for name in names})


def _orders(attributes: Sequence[asn1.TLV]) -> Iterator[list[bytes]]:
    """Signed attributes as they stand, with their values in the order of DER, and themselves in that order too.

    RFC 5652, 5.4, says that the last is signed; signers that don't sort sign what they send; openssl takes the second.
    """
    stand = [asn1.encode_der(attribute) for attribute in attributes]
    yield stand
    read: list[Attribute] = [attribute.parse(Attribute) for attribute in attributes]
    values = [sorted(map(asn1.encode_der, elements(each.values))) for each in read]
    der = [
        tlv(SEQUENCE, asn1.encode_der(each.type) + tlv(SET, b"".join(ordered)))
        for each, ordered in zip(read, values, strict=True)
    ]
    if der != stand:
        yield der
    if sorted(der) != der:
        yield sorted(der)


def verify_signature(signed: Signed) -> None:
    """RFC 5652, 5.4 and 5.6: over the signed attributes, of which one is the digest of the content; or directly."""
    content, signer, content_type = signed.content, signed.signer, signed.data.encapsulated.type.dotted_string
    digest = DIGESTS.get(algorithm_of(signer.digest_algorithm))
    algorithm = algorithm_of(signer.signature_algorithm)
    if digest is None or SIGNATURES.get(algorithm, "other") not in (None, digest.name):
        raise other_algorithm()
    if signer.signed_attributes is None:
        if content_type != DATA:
            raise malformed("нет подписанных атрибутов")
        _verify_any(signed, [content], algorithm, digest)
        return
    hasher = hashes.Hash(digest)
    hasher.update(content)
    value = attribute_of(signer, MESSAGE_DIGEST)
    named = attribute_of(signer, CONTENT_TYPE)
    if value is None or named is None or named.parse(ObjectIdentifier).dotted_string != content_type:
        raise malformed("среди подписанных атрибутов нет хэша или вида содержимого")
    if value.parse(bytes) != hasher.finalize():
        raise wrong_bytes()
    orders = _orders(signer.signed_attributes)
    covered = (tlv(SET, b"".join(attributes)) for attributes in orders)
    _verify_any(signed, covered, algorithm, digest)


def _verify_any(signed: Signed, covered: Iterable[bytes], algorithm: str, digest: Hash) -> None:
    """The signature's value is over one of these. Raises `BadSignature`."""
    try:
        key = signed.certificate.public_key()
    except UnsupportedAlgorithm:
        raise other_algorithm() from None
    except CANNOT_BE_READ:
        raise unreadable_certificate(signed.certificate.serial_number) from None
    value = signed.signer.signature
    for data in covered:
        try:
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(value, data, _padding(algorithm, digest), digest)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(value, data, ec.ECDSA(digest))
            else:
                raise other_algorithm()
        except InvalidSignature:
            continue
        return
    raise wrong_bytes()


def _padding(algorithm: str, digest: Hash) -> padding.AsymmetricPadding:
    if algorithm == RSA_PSS:
        return padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)
    return padding.PKCS1v15()


def signing_time(signer: SignerInfo) -> datetime | None:
    """What the signer's clock said (RFC 5652, 11.3), in UTC. It proves nothing, and nothing depends on it: a time
    without seconds, which BER allows, is taken as that of the whole minute, and one that can't be read as none."""
    value = attribute_of(signer, SIGNING_TIME)
    form = TIMES.get(value.tag_bytes) if value is not None else None
    found = form.fullmatch(bytes(value.data).decode("ascii", "replace")) if value is not None and form else None
    if found is None:
        return None
    year, sign = int(found["year"]), -1 if found["sign"] == "-" else 1
    if len(found["year"]) == 2:
        year += 2000 if year < 50 else 1900  # RFC 5280, 4.1.2.5.1
    month, day, hour, minute, second = (int(found[name] or 0) for name in ("month", "day", "hour", "minute", "second"))
    ahead = sign * timedelta(hours=int(found["hours"] or 0), minutes=int(found["minutes"] or 0))
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=timezone(ahead)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def attribute_of(signer: SignerInfo, oid: str) -> asn1.TLV | None:
    """The one value of a signed attribute; None if it is not there. Raises `BadSignature` if it is there twice."""
    values = values_of(signer.signed_attributes or [], oid)
    if len(values) > 1:
        raise malformed(f"подписанный атрибут {oid} указан дважды")
    return values[0] if values else None


def values_of(attributes: Iterable[asn1.TLV], oid: str) -> list[asn1.TLV]:
    """All values of an attribute."""
    read: list[Attribute] = [attribute.parse(Attribute) for attribute in attributes]
    return [value for attribute in read if attribute.type.dotted_string == oid for value in elements(attribute.values)]


def algorithm_of(identifier: asn1.TLV) -> str:
    """The object identifier of an algorithm, with parameters or without. Raises `ValueError`."""
    try:
        oid: ObjectIdentifier = identifier.parse(Algorithm).oid
    except ValueError:
        oid = identifier.parse(PlainAlgorithm).oid
    return oid.dotted_string
