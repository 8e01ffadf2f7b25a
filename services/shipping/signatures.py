"""Checks detached CMS signatures (RFC 5652) of counterparties over the exact bytes of a document (L16).

What has to hold: one signer; its certificate is inside, is valid, may sign, and leads to a configured root; the
signature covers exactly the bytes; the certificate names an INN. Whose INN it has to be is the decider's question.

Valid when? With a time stamp over the signature (CAdES-T, `services.shipping.timestamps`) at the moment it proves: a
certificate that has ended, or was revoked, since then still counts. Without one at the moment of the check, since what
the signer's own clock says proves nothing. A time stamp that does not hold is as none.

What can't be decided on this machine (GOST without openssl's engine, no current revocation list) is `Unverifiable`, not
refused: the record waits in the dead letters until it can.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.x509 import ObjectIdentifier

from events.model import Reason
from postavka.domain.openssl import find_openssl
from services.shipping.authorities import Authorities, CannotTell
from services.shipping.certificates import (
    CANNOT_BE_READ,
    CONTENT_COMMITMENT,
    DIGITAL_SIGNATURE,
    UNDERSTOOD,
    critical_in,
    may,
    read_name,
    subject_of,
)
from services.shipping.cms import (
    UNREADABLE,
    BadSignature,
    Signed,
    read_detached,
    signing_time,
    unreadable_certificate,
)
from services.shipping.revocation import NoCurrentList, RevocationLists
from services.shipping.timestamps import Stamped, read_stamp
from services.shipping.verification import NotVerified, Unverifiable, Verification, Verified, Verifier

MAX_SUBJECT = 2_000
"""Characters of a certificate's subject that an event keeps."""

INN_ORGANISATION = ObjectIdentifier("1.2.643.100.4")
"""ИННЮЛ, 10 digits"""
INN_PERSON = ObjectIdentifier("1.2.643.3.131.1.1")
"""ИНН, 12 digits; in older certificates of organisations their 10 digits after 00"""


@dataclass(frozen=True, slots=True)
class CmsVerifier:
    """`Verifier` that trusts `roots`. `intermediates` help where senders leave theirs out; they are not trusted."""

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()
    openssl: str | None = field(default_factory=find_openssl)
    """The command for GOST; None: no GOST here."""
    revocation: RevocationLists | None = None
    """None: whether a certificate was taken back is not looked at."""
    time_stamp_roots: tuple[x509.Certificate, ...] | None = None
    """Of authorities whose time stamps are taken; None: `roots`."""

    @classmethod
    def trusting(cls, roots: bytes, intermediates: bytes = b"") -> CmsVerifier:
        """A verifier that trusts these certificates, from PEM files' contents. Raises `ValueError` if there is no
        certificate in `roots`."""
        return cls(
            tuple(x509.load_pem_x509_certificates(roots)),
            tuple(x509.load_pem_x509_certificates(intermediates)) if intermediates else (),
        )

    def verify(self, content: bytes, signature: bytes, at: datetime) -> Verification:
        """Verify as `Verifier.verify` says."""
        if not self.roots:
            return Unverifiable("no trusted roots are configured")
        try:
            return self._verified(read_detached(content, signature), at)
        except BadSignature as refused:
            return NotVerified(refused.reason)
        except (CannotTell, NoCurrentList) as unknown:
            return Unverifiable(str(unknown))
        except CANNOT_BE_READ:
            return NotVerified(UNREADABLE)

    def _verified(self, signed: Signed, at: datetime) -> Verified:
        certificate = signed.certificate
        stamp = read_stamp(signed, self._authorities(self.time_stamp_roots or self.roots), at)
        moment = stamp.time if isinstance(stamp, Stamped) else at
        try:
            _check_validity(certificate, moment)
            _check_usage(certificate)
            subject = _subject_of(certificate)
            inn = inn_of(subject)
            self._authorities(self.roots).check(signed, moment, at)
        except BadSignature as refused:
            if not isinstance(stamp, Reason) or refused.reason.code not in ("expired", "revoked"):
                raise
            raise BadSignature(refused.reason.code, f"{refused.reason.message} {stamp.message}") from None
        return Verified(
            signer_inn=inn,
            certificate_serial=f"{certificate.serial_number:X}",
            certificate_subject=subject.rfc4514_string()[:MAX_SUBJECT],
            signed_at=stamp.time if isinstance(stamp, Stamped) else signing_time(signed.signer) or at,
            time_stamped_by=stamp.authority[:MAX_SUBJECT] if isinstance(stamp, Stamped) else None,
        )

    def _authorities(self, roots: tuple[x509.Certificate, ...]) -> Authorities:
        return Authorities(roots, self.intermediates, self.openssl, self.revocation)


class Trust(Protocol):
    """The settings that say whom to trust: PEM files; None: nobody, and every signature is `Unverifiable`."""

    @property
    def signature_roots(self) -> Path | None:
        """Certificates of the authorities that are trusted."""
        ...

    @property
    def signature_intermediates(self) -> Path | None:
        """Certificates between those and the signers', for signatures that don't carry them."""
        ...

    @property
    def signature_revocation_lists(self) -> Path | None:
        """The folder of revocation lists."""
        ...

    @property
    def signature_time_stamp_roots(self) -> Path | None:
        """Certificates of the authorities trusted for time stamps; None: those for signatures."""
        ...


def make_verifier(trust: Trust, lists: RevocationLists | None = None) -> Verifier:
    """The verifier these settings describe; `lists`: those that they name, if somebody else looks at them too.

    Raises `OSError` or `ValueError` for a file of certificates that can't be read.
    """
    if trust.signature_roots is None:
        return CmsVerifier(())
    more, place = trust.signature_intermediates, trust.signature_revocation_lists
    verifier = CmsVerifier.trusting(trust.signature_roots.read_bytes(), more.read_bytes() if more else b"")
    stamps = trust.signature_time_stamp_roots
    return replace(
        verifier,
        revocation=lists or (RevocationLists(place) if place is not None else None),
        time_stamp_roots=tuple(x509.load_pem_x509_certificates(stamps.read_bytes())) if stamps is not None else None,
    )


def inn_of(subject: x509.Name) -> str:
    """The INN a certificate was given for: the organisation's if it names one, otherwise the person's. Zeros are none.

    Raises `BadSignature` if there is none, or more than one of a kind.
    """
    for oid in (INN_ORGANISATION, INN_PERSON):
        values = {str(attribute.value) for attribute in subject.get_attributes_for_oid(oid)}
        values = {value for value in values if value.strip("0") or not value}
        if len(values) > 1:
            raise BadSignature("inn-unclear", "В сертификате подписи указано несколько ИНН.")
        for value in values:
            inn = value[2:] if len(value) == 12 and value.startswith("00") else value
            if not (inn.isascii() and inn.isdigit() and len(inn) in (10, 12)):
                raise BadSignature("inn-unclear", f"В сертификате подписи неверный ИНН: «{value[:40]}».")
            return inn
    raise BadSignature("no-inn", "В сертификате подписи нет ИНН.")


def _check_validity(certificate: x509.Certificate, at: datetime) -> None:
    if at < certificate.not_valid_before_utc:
        since = f"{certificate.not_valid_before_utc:%d.%m.%Y}"
        raise BadSignature("not-yet-valid", f"Сертификат подписи ещё не действует: он действует с {since}.")
    if at > certificate.not_valid_after_utc:
        until = f"{certificate.not_valid_after_utc:%d.%m.%Y}"
        raise BadSignature("expired", f"Срок действия сертификата подписи истёк {until}.")


def _check_usage(certificate: x509.Certificate) -> None:
    """Where a certificate says what it is for, it must be for signing; nothing critical in it may be unknown here."""
    try:
        strange = sorted(critical_in(certificate) - UNDERSTOOD)
        signs = may(certificate, (DIGITAL_SIGNATURE, CONTENT_COMMITMENT))
    except CANNOT_BE_READ:
        raise unreadable_certificate(certificate.serial_number) from None
    if strange:
        message = f"В сертификате подписи есть критические расширения, которых мы не знаем: {', '.join(strange)[:200]}."
        raise BadSignature("critical-extension", message)
    if not signs:
        raise BadSignature("not-for-signing", "Сертификат подписи выдан не для подписания документов.")


def _subject_of(certificate: x509.Certificate) -> x509.Name:
    try:
        return certificate.subject
    except CANNOT_BE_READ:
        pass
    try:
        return read_name(subject_of(certificate))
    except CANNOT_BE_READ:
        raise unreadable_certificate(certificate.serial_number) from None
