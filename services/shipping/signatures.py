"""Checks detached CMS signatures (RFC 5652) of counterparties over the exact bytes of a document (L16).

What has to hold: one signer; its certificate is inside, is valid now, may sign, and leads to a configured root; the
signature covers exactly the bytes; the certificate names an INN. Whose INN it has to be is the decider's question.

RSA and ECDSA are checked in process: the structure is read as strict DER with `cryptography.hazmat.asn1`, the chain is
built by `cryptography.x509.verification`. GOST R 34.10-2012 is not in `cryptography`; it goes through the `openssl`
command and its engine `gost` (Debian: `libengine-gost-openssl`). Without them a GOST signature is `Unverifiable`, not
refused: the record waits in the dead letters until the machine has them. So it does while an authority's revocation
list is missing or out of date, where lists are configured (`services.shipping.revocation`).

Not here: time stamps, powers of attorney (МЧД) of a person who signs for an organisation.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ObjectIdentifier
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from events.model import Reason
from services.shipping.revocation import NoCurrentList, RevocationLists, Revoked
from services.shipping.verification import NotVerified, Unverifiable, Verification, Verified, Verifier

MAX_SUBJECT = 2_000
"""Characters of a certificate's subject that an event keeps."""
OPENSSL_SECONDS = 20
"""A check takes milliseconds; a command that hangs must not stop the partition."""

INN_ORGANISATION = ObjectIdentifier("1.2.643.100.4")
"""ИННЮЛ, 10 digits"""
INN_PERSON = ObjectIdentifier("1.2.643.3.131.1.1")
"""ИНН, 12 digits; in older certificates of organisations their 10 digits after 00"""

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


class Refused(Exception):
    """The signature is not good; carries the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.reason = Reason(code=code, message=message)


@dataclass(frozen=True, slots=True)
class CmsVerifier:
    """`Verifier` that trusts `roots`. `intermediates` help where senders leave theirs out; they are not trusted."""

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()
    openssl: str | None = field(default_factory=lambda: shutil.which("openssl"))
    """The command for GOST; None: no GOST here."""
    revocation: RevocationLists | None = None
    """None: whether a certificate was taken back is not looked at."""

    @classmethod
    def trusting(cls, roots: bytes, intermediates: bytes = b"") -> CmsVerifier:
        """From PEM files' contents. Raises `ValueError` if there is no certificate in `roots`."""
        return cls(
            tuple(x509.load_pem_x509_certificates(roots)),
            tuple(x509.load_pem_x509_certificates(intermediates)) if intermediates else (),
        )

    def verify(self, content: bytes, signature: bytes, at: datetime) -> Verification:
        """See `Verifier.verify`."""
        if not self.roots:
            return Unverifiable("no trusted roots are configured")
        try:
            data = _parse(signature)
            signer = _only_signer(data)
            certificate = _certificate_of(signer, data)
            _check_validity(certificate, at)
            _check_usage(certificate)
            inn = inn_of(certificate.subject)
            if certificate.public_key_algorithm_oid.dotted_string in GOST_KEYS:
                if (missing := self._missing_for_gost()) is not None:
                    return Unverifiable(missing)
                self._verify_gost(content, signature, certificate, at)
            else:
                _verify_signature(content, signer, certificate, data.encapsulated.type.dotted_string)
                self._verify_chain(certificate, data.certificates or [], at)
            return Verified(
                signer_inn=inn,
                certificate_serial=f"{certificate.serial_number:X}",
                certificate_subject=certificate.subject.rfc4514_string()[:MAX_SUBJECT],
                signed_at=_signing_time(signer) or at,
            )
        except Refused as refused:
            return NotVerified(refused.reason)
        except Revoked as revoked:
            return NotVerified(_revoked(revoked.since))
        except NoCurrentList as unknown:
            return Unverifiable(str(unknown))
        except (OSError, subprocess.SubprocessError) as failed:
            return Unverifiable(f"the command openssl failed: {failed}")
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension):
            return NotVerified(UNREADABLE)

    def _verify_chain(self, certificate: x509.Certificate, enclosed: Iterable[x509.Certificate], at: datetime) -> None:
        """The certificate leads to a root over certificates that may sign others, all valid at `at`."""
        roots = [root for root in self.roots if root.public_key_algorithm_oid.dotted_string not in GOST_KEYS]
        if not roots:
            raise _untrusted()
        verifier = (
            PolicyBuilder()
            .store(Store(roots))
            .time(at.astimezone(UTC).replace(tzinfo=None))
            .extension_policies(ca_policy=_CA_POLICY, ee_policy=ExtensionPolicy.permit_all())
            .build_client_verifier()
        )
        try:
            found = verifier.verify(certificate, [*enclosed, *self.intermediates])
        except VerificationError:
            raise _untrusted() from None
        if self.revocation is not None:
            self.revocation.check(found.chain, at)

    def _missing_for_gost(self) -> str | None:
        """What this machine lacks to check GOST signatures; None: nothing."""
        if self.openssl is None:
            return "GOST R 34.10-2012: the command openssl is missing"
        found = self._run("engine", "-t", "gost")
        if found.returncode or b"[ available ]" not in found.stdout:
            return "GOST R 34.10-2012: openssl has no engine gost (Debian: libengine-gost-openssl)"
        return None

    def _verify_gost(self, content: bytes, signature: bytes, certificate: x509.Certificate, at: datetime) -> None:
        """Signature and chain by `openssl cms`; it must have meant the certificate that we read the INN from."""
        with tempfile.TemporaryDirectory(prefix="signature-") as directory:
            there = Path(directory)
            (there / "content").write_bytes(content)
            (there / "signature").write_bytes(signature)
            trusted = b"".join(root.public_bytes(Encoding.PEM) for root in self.roots)
            # The command takes revocation lists from the same file, and has no other way to be given several.
            lists = self.revocation.pem() if self.revocation is not None else b""
            (there / "roots").write_bytes(trusted + lists)
            checks = ["-crl_check_all"] if self.revocation is not None else []
            more = []
            if self.intermediates:
                pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in self.intermediates)
                (there / "more").write_bytes(pem)
                more = ["-certfile", str(there / "more")]
            ran = self._run(
                *("cms", "-engine", "gost", "-verify", "-binary", "-inform", "DER", "-purpose", "any"),
                *("-in", str(there / "signature"), "-content", str(there / "content"), "-out", str(there / "out")),
                *("-CAfile", str(there / "roots"), "-no-CApath", "-no-CAstore", *more, *checks),
                *("-attime", str(int(at.timestamp())), "-signer", str(there / "signer")),
            )
            if ran.returncode:
                if b"certificate revoked" in ran.stderr:
                    raise Refused(_revoked(None).code, _revoked(None).message)
                if any(said in ran.stderr for said in _NO_LIST):
                    raise NoCurrentList(f"no current revocation list for a chain of GOST certificates: {_last(ran)}")
                if b"content verify error" in ran.stderr or b"verification failure" in ran.stderr:
                    raise _wrong_bytes()
                if b"certificate verify error" in ran.stderr:
                    raise _untrusted()
                raise Refused(UNREADABLE.code, UNREADABLE.message)
            signers = x509.load_pem_x509_certificates((there / "signer").read_bytes())
            if signers != [certificate]:
                raise Refused("signer-unclear", "В подписи два сертификата с одним номером: чей из них, неясно.")

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [self.openssl or "openssl", *arguments]
        return subprocess.run(command, capture_output=True, timeout=OPENSSL_SECONDS, check=False)  # noqa: S603


_NO_LIST = (b"CRL has expired", b"unable to get certificate CRL", b"CRL is not yet valid", b"CRL signature failure")


def _last(ran: subprocess.CompletedProcess[bytes]) -> str:
    lines = [line for line in ran.stderr.decode("utf-8", "replace").splitlines() if "Verify error" in line]
    return lines[-1][-200:] if lines else "no reason was given"


def _revoked(since: datetime | None) -> Reason:
    when = f" {since:%d.%m.%Y}" if since else ""
    return Reason(code="revoked", message=f"Сертификат подписи отозван{when}: подпишите действующим сертификатом.")


class Trust(Protocol):
    """The settings that say whom to trust: PEM files; None: nobody, and every signature is `Unverifiable`."""

    @property
    def signature_roots(self) -> Path | None: ...

    @property
    def signature_intermediates(self) -> Path | None: ...

    @property
    def signature_revocation_lists(self) -> Path | None: ...


def make_verifier(trust: Trust) -> Verifier:
    """The verifier these settings describe. Raises `OSError` or `ValueError` for a file that can't be read."""
    if trust.signature_roots is None:
        return CmsVerifier(())
    more, lists = trust.signature_intermediates, trust.signature_revocation_lists
    verifier = CmsVerifier.trusting(trust.signature_roots.read_bytes(), more.read_bytes() if more else b"")
    return replace(verifier, revocation=RevocationLists(lists)) if lists is not None else verifier


def inn_of(subject: x509.Name) -> str:
    """The INN a certificate was given for: the organisation's if it names one, otherwise the person's.

    Raises `Refused` if there is none, or more than one of a kind.
    """
    for oid in (INN_ORGANISATION, INN_PERSON):
        values = {str(attribute.value) for attribute in subject.get_attributes_for_oid(oid)}
        if len(values) > 1:
            raise Refused("inn-unclear", "В сертификате подписи указано несколько ИНН.")
        for value in values:
            inn = value[2:] if len(value) == 12 and value.startswith("00") else value
            if not (inn.isascii() and inn.isdigit() and len(inn) in (10, 12)):
                raise Refused("inn-unclear", f"В сертификате подписи неверный ИНН: «{value[:40]}».")
            return inn
    raise Refused("no-inn", "В сертификате подписи нет ИНН.")


UNREADABLE = Reason(code="unreadable", message="Подпись не удалось прочитать: нужна отсоединённая подпись CMS в DER.")


def _may_certify(policy: Policy, certificate: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("not a certification authority")


def _may_sign_certificates(policy: Policy, certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("not for signing certificates")


_CA_POLICY = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _may_certify)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign_certificates)
)
"""The library's own rules are those of the web, which certificates of people and organisations don't follow."""


def _untrusted() -> Refused:
    return Refused("untrusted", "Сертификат подписи выдан удостоверяющим центром, которому мы не доверяем.")


WRONG_BYTES = "wrong-bytes"


def _wrong_bytes() -> Refused:
    return Refused(WRONG_BYTES, "Подпись не от этого документа: подписаны другие данные.")


def _parse(signature: bytes) -> SignedData:
    info = asn1.decode_der(ContentInfo, signature)
    if info.type.dotted_string != SIGNED_DATA:
        raise ValueError("not SignedData")
    if info.content.encapsulated.content is not None:
        raise Refused("not-detached", "Нужна отсоединённая подпись, без самого документа внутри.")
    return info.content


def _only_signer(data: SignedData) -> SignerInfo:
    signers = data.signers.as_list()
    if len(signers) != 1:
        raise Refused("not-one-signer", f"Подпись должна быть одна, а их {len(signers)}.")
    return signers[0]


def _certificate_of(signer: SignerInfo, data: SignedData) -> x509.Certificate:
    """The enclosed certificate that the signer names: by issuer and serial number, or by its key's identifier."""
    for certificate in data.certificates or []:
        if isinstance(signer.signer, IssuerAndSerial):
            named = certificate.serial_number == signer.signer.serial
            if named and certificate.issuer == x509.Name.from_bytes(asn1.encode_der(signer.signer.issuer)):
                return certificate
        else:
            identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            if identifier.digest == signer.signer:
                return certificate
    raise Refused("no-certificate", "В подписи нет сертификата того, кто подписал.")


def _check_validity(certificate: x509.Certificate, at: datetime) -> None:
    if at < certificate.not_valid_before_utc:
        since = f"{certificate.not_valid_before_utc:%d.%m.%Y}"
        raise Refused("not-yet-valid", f"Сертификат подписи ещё не действует: он действует с {since}.")
    if at > certificate.not_valid_after_utc:
        until = f"{certificate.not_valid_after_utc:%d.%m.%Y}"
        raise Refused("expired", f"Срок действия сертификата подписи истёк {until}.")


def _check_usage(certificate: x509.Certificate) -> None:
    """Where a certificate says what it is for, it must be for signing."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not (usage.digital_signature or usage.content_commitment):
        raise Refused("not-for-signing", "Сертификат подписи выдан не для подписания документов.")


def _verify_signature(content: bytes, signer: SignerInfo, certificate: x509.Certificate, content_type: str) -> None:
    """RFC 5652, 5.4 and 5.6: over the signed attributes, of which one is the digest of the content; or directly."""
    digest = DIGESTS.get(_algorithm(signer.digest_algorithm))
    algorithm = _algorithm(signer.signature_algorithm)
    if digest is None or SIGNATURES.get(algorithm, "other") not in (None, digest.name):
        raise Refused(
            "algorithm", "Алгоритм подписи не поддерживается. Нужны ГОСТ Р 34.10-2012, RSA или ECDSA с SHA-2."
        )
    signed = content
    if signer.signed_attributes is not None:
        hasher = hashes.Hash(digest)
        hasher.update(content)
        value = _attribute(signer, MESSAGE_DIGEST)
        named = _attribute(signer, CONTENT_TYPE)
        if value is None or named is None or named.parse(ObjectIdentifier).dotted_string != content_type:
            raise ValueError("an attribute is missing, or the content type is not the signed one")
        if value.parse(bytes) != hasher.finalize():
            raise _wrong_bytes()
        signed = asn1.encode_der(asn1.SetOf(signer.signed_attributes))
    elif content_type != DATA:
        raise ValueError("signed attributes are missing")
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signer.signature, signed, _padding(algorithm, digest), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signer.signature, signed, ec.ECDSA(digest))
        else:
            raise UnsupportedAlgorithm("neither RSA nor ECDSA")
    except InvalidSignature:
        raise _wrong_bytes() from None


def _padding(algorithm: str, digest: Hash) -> padding.AsymmetricPadding:
    if algorithm == RSA_PSS:
        return padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)
    return padding.PKCS1v15()


def _signing_time(signer: SignerInfo) -> datetime | None:
    """What the signer's clock said; RFC 5652, 11.3: one of two forms."""
    value = _attribute(signer, SIGNING_TIME)
    if value is None:
        return None
    form = asn1.UTCTime if value.tag_bytes == b"\x17" else asn1.GeneralizedTime
    time: asn1.UTCTime | asn1.GeneralizedTime = value.parse(form)
    return time.as_datetime().replace(tzinfo=UTC)


def _attribute(signer: SignerInfo, oid: str) -> asn1.TLV | None:
    """The one value of a signed attribute; None if it is not there. Raises `ValueError` if it is there twice."""
    found = [attribute for attribute in signer.signed_attributes or [] if attribute.type.dotted_string == oid]
    if not found:
        return None
    (attribute,) = found
    (value,) = attribute.values.as_list()
    return value


def _algorithm(identifier: asn1.TLV) -> str:
    try:
        oid: ObjectIdentifier = identifier.parse(Algorithm).oid
    except ValueError:
        oid = identifier.parse(PlainAlgorithm).oid
    return oid.dotted_string
