"""Revocation lists (CRL, RFC 5280) from files: whose certificate has been taken back, and by when it was known (L16).

Lists are fetched by whoever runs the machine (a timer that downloads them from the authorities), not by this process:
a check of a signature must not wait for, or be steered by, an address that stands in the certificate under test. The
files are read anew when they change.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

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

    def pem(self) -> bytes:
        """All of them in PEM, for the command openssl."""
        return b"".join(each.public_bytes(Encoding.PEM) for each in self.lists())

    def check(self, chain: Sequence[x509.Certificate], at: datetime) -> None:
        """No certificate of `chain` (the signer's first, a root last) was revoked by `at`.

        Raises `Revoked`; `NoCurrentList` if an issuer of the chain has no list here that is current at `at`.
        """
        for certificate, issuer in pairwise(chain):
            entry = self._list_of(issuer, at).get_revoked_certificate_by_serial_number(certificate.serial_number)
            if entry is not None and entry.revocation_date_utc <= at:
                raise Revoked(entry.revocation_date_utc)

    def _list_of(self, issuer: x509.Certificate, at: datetime) -> x509.CertificateRevocationList:
        name = issuer.subject.rfc4514_string()[:200]
        theirs = [each for each in self.lists() if each.issuer == issuer.subject and _signed_by(each, issuer)]
        if not theirs:
            raise NoCurrentList(f"there is no revocation list of {name} in {self.place}")
        newest = max(theirs, key=lambda each: each.last_update_utc)
        if newest.next_update_utc is None or not newest.last_update_utc <= at <= newest.next_update_utc:
            raise NoCurrentList(f"the revocation list of {name} ended on {newest.next_update_utc}: fetch its next one")
        return newest

    def _files(self) -> list[Path]:
        if self.place.is_dir():
            return sorted(file for file in self.place.iterdir() if file.suffix.lower() in SUFFIXES)
        return [self.place]


def _signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
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
