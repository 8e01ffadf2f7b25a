"""Revocation lists (CRL, RFC 5280) from files: whose certificate has been taken back, and by when it was known (L16).

Lists are fetched by whoever runs the machine (a timer that downloads them from the authorities), not by this process:
a check of a signature must not wait for, or be steered by, an address that stands in the certificate under test. The
files are read anew when they change.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509

SUFFIXES = (".crl", ".pem", ".der")
_PEM = b"-----BEGIN X509 CRL-----"


class Revoked(Exception):
    """The certificate was taken back."""

    def __init__(self, since: datetime) -> None:
        super().__init__(f"revoked on {since:%Y-%m-%d}")
        self.since = since


class NoCurrentList(Exception):
    """Nobody can tell: the issuer's list is missing, or its time is over."""


@dataclass(slots=True)
class RevocationLists:
    """The lists in a file, or in the `*.crl`, `*.pem` and `*.der` files of a folder."""

    place: Path
    _seen: tuple[tuple[str, int, int], ...] | None = None
    _lists: tuple[x509.CertificateRevocationList, ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def lists(self) -> tuple[x509.CertificateRevocationList, ...]:
        """All of them, as the files are now. Raises `NoCurrentList` for files that can't be read."""
        with self._lock:
            try:
                files = self._files()
                seen = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
                if seen != self._seen:
                    self._lists = tuple(each for file in files for each in _read(file))
                    self._seen = seen
            except (OSError, ValueError) as wrong:
                raise NoCurrentList(f"the revocation lists in {self.place} can't be read: {wrong}"[:500]) from None
            return self._lists

    def check(
        self,
        chain: Sequence[x509.Certificate],
        moment: datetime,
        at: datetime,
        is_signed_by: Callable[[x509.CertificateRevocationList, x509.Certificate], bool],
    ) -> None:
        """No certificate of `chain` (the signer's first, a root last) was revoked by `moment`, as is known at `at`.

        A key may have been in other hands before its certificate was revoked: where a list says since when
        (`invalidityDate`), that counts. `is_signed_by`: is this list the issuer's?

        Raises `Revoked`; `NoCurrentList` if an issuer of the chain has no list here that is current at `at`.
        """
        for certificate, issuer in pairwise(chain):
            theirs = [each for each in self.lists() if each.issuer == issuer.subject and is_signed_by(each, issuer)]
            ended = certificate.not_valid_after_utc
            known = _current(issuer, theirs, at) if at <= ended else _last_before(ended, issuer, theirs, moment)
            entry = known.get_revoked_certificate_by_serial_number(certificate.serial_number)
            if entry is not None and (since := _since(entry)) <= moment:
                raise Revoked(since)

    def _files(self) -> list[Path]:
        if self.place.is_dir():
            return sorted(file for file in self.place.iterdir() if file.suffix.lower() in SUFFIXES)
        return [self.place]


def _current(
    issuer: x509.Certificate, theirs: Sequence[x509.CertificateRevocationList], at: datetime
) -> x509.CertificateRevocationList:
    """The issuer's newest list."""
    if not theirs:
        raise NoCurrentList(f"there is no revocation list of {_name(issuer)}")
    newest = max(theirs, key=lambda each: each.last_update_utc)
    if newest.next_update_utc is None or not newest.last_update_utc <= at <= newest.next_update_utc:
        raise NoCurrentList(f"the revocation list of {_name(issuer)} ended on {newest.next_update_utc}: fetch its next")
    return newest


def _last_before(
    ended: datetime,
    issuer: x509.Certificate,
    theirs: Sequence[x509.CertificateRevocationList],
    moment: datetime,
) -> x509.CertificateRevocationList:
    """A list from the certificate's own time: authorities take certificates off their lists when they have ended."""
    fitting = [each for each in theirs if moment <= each.last_update_utc <= ended]
    if not fitting:
        raise NoCurrentList(
            f"a revocation list of {_name(issuer)} from between {moment:%Y-%m-%d %H:%M} and {ended:%Y-%m-%d %H:%M} UTC "
            "is needed: the certificate has ended since"
        )
    return max(fitting, key=lambda each: each.last_update_utc)


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()[:200]


def _since(entry: x509.RevokedCertificate) -> datetime:
    try:
        told = entry.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc
    except x509.ExtensionNotFound:
        return entry.revocation_date_utc
    return min(told, entry.revocation_date_utc)


def signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Is this list signed with the issuer's key (RSA or ECDSA), which may sign lists?"""
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    if usage is not None and not usage.crl_sign:
        return False
    try:
        return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _read(file: Path) -> list[x509.CertificateRevocationList]:
    data = file.read_bytes()
    if _PEM not in data:
        return [x509.load_der_x509_crl(data)]
    return [x509.load_pem_x509_crl(_PEM + block) for block in data.split(_PEM)[1:]]
