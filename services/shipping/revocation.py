"""Revocation lists (CRL, RFC 5280) from files: whose certificate has been taken back, and by when it was known (L16).

Lists are fetched by whoever runs the machine (a timer that downloads them from the authorities), not by this process:
a check of a signature must not wait for, or be steered by, an address that stands in the certificate under test. The
files are read anew when they change.
"""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509

from services.shipping.ber import first_value
from services.shipping.certificates import CANNOT_BE_READ, CRL_SIGN, is_same, may, read_name, subject_of
from services.shipping.list_scope import ListScope, entry_for, issuer_name, scope_of, since

SUFFIXES = (".crl", ".pem", ".der")
_PEM = b"-----BEGIN X509 CRL-----"


class Revoked(Exception):
    """The certificate was taken back."""

    def __init__(self, since: datetime) -> None:
        super().__init__(f"revoked on {since:%Y-%m-%d}")
        self.since = since


class NoCurrentList(Exception):
    """There is no list in force to decide by: the issuer's list is missing, or its time is over."""


@dataclass(frozen=True, slots=True)
class KnownList:
    """A list, where it was found, and whom it speaks for."""

    file: Path
    crl: x509.CertificateRevocationList
    scope: ListScope
    issuer: bytes
    """Its name in DER."""


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file, or a list in one, that can't be used, and why."""

    file: Path
    why: str


@dataclass(frozen=True, slots=True)
class FilesRead:
    """The content of the files."""

    lists: tuple[KnownList, ...]
    bad: tuple[BadFile, ...]


@dataclass(slots=True)
class RevocationLists:
    """The lists in a file, or in the `*.crl`, `*.pem` and `*.der` files of a folder."""

    place: Path
    _read: dict[Path, tuple[tuple[int, int], FilesRead]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def found(self) -> FilesRead:
        """What the files hold now. One that can't be read is reported and stops nothing but its own lists."""
        with self._lock:
            lists: list[KnownList] = []
            bad: list[BadFile] = []
            now: dict[Path, tuple[tuple[int, int], FilesRead]] = {}
            try:
                files = self._files()
            except OSError as wrong:
                return FilesRead((), (BadFile(self.place, wrong.strerror or str(wrong)),))
            for file in files:
                try:
                    state = file.stat()
                    if not stat.S_ISREG(state.st_mode):
                        raise OSError("no regular file")
                    stamp = (state.st_mtime_ns, state.st_size)
                    kept = self._read.get(file)
                    now[file] = kept if kept is not None and kept[0] == stamp else (stamp, _read(file))
                except OSError as wrong:
                    bad.append(BadFile(file, wrong.strerror or str(wrong)))
                    continue
                lists += now[file][1].lists
                bad += now[file][1].bad
            self._read = now
            return FilesRead(tuple(lists), tuple(bad))

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

        Raises `Revoked`; `NoCurrentList` if an issuer of the chain has no list here that speaks for its certificate and
        is current at `at`.
        """
        for certificate, issuer in pairwise(chain):
            found = self.found()
            theirs = [
                each
                for each in found.lists
                if is_same(each.issuer, subject_of(issuer))
                and each.crl.last_update_utc <= at
                and is_signed_by(each.crl, issuer)
            ]
            whole = [each for each in theirs if each.scope.covers(certificate)]
            decides = _decides(certificate, whole, moment, at)
            newer = (each for each in theirs if each not in whole and (decides is None or _is_newer(each, decides)))
            for each in (*(() if decides is None else (decides,)), *newer):
                entry = entry_for(certificate, each.crl, each.scope)
                if entry is not None and since(entry) <= moment:
                    raise Revoked(since(entry))
            if decides is None:
                raise NoCurrentList(_lacking(certificate, issuer, whole, theirs, found.bad, moment, at))

    def _files(self) -> list[Path]:
        if self.place.is_dir():
            return sorted(file for file in self.place.iterdir() if file.suffix.lower() in SUFFIXES)
        return [self.place]


def _decides(
    certificate: x509.Certificate, whole: Sequence[KnownList], moment: datetime, at: datetime
) -> KnownList | None:
    """The newest list that speaks for the certificate, and is current.

    For a certificate that has ended it is one from its own time: authorities take them off their lists then.
    """
    ended = certificate.not_valid_after_utc
    if at > ended:
        whole = [each for each in whole if moment <= each.crl.last_update_utc <= ended]
    newest = max(whole, key=lambda each: each.crl.last_update_utc, default=None)
    if newest is None or at > ended:
        return newest
    until = newest.crl.next_update_utc
    return newest if until is not None and at <= until else None


def _is_newer(one: KnownList, than: KnownList) -> bool:
    return one.crl.last_update_utc >= than.crl.last_update_utc


def _lacking(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    whole: Sequence[KnownList],
    theirs: Sequence[KnownList],
    bad: Iterable[BadFile],
    moment: datetime,
    at: datetime,
) -> str:
    """What has to be fetched, for whoever runs the machine."""
    name = read_name(subject_of(issuer)).rfc4514_string()[:200]
    ended = certificate.not_valid_after_utc
    if at > ended:
        why = (
            f"a revocation list of {name} from between {moment:%Y-%m-%d %H:%M} and {ended:%Y-%m-%d %H:%M} UTC is "
            "needed: the certificate has ended since"
        )
    elif whole:
        until = max(whole, key=lambda each: each.crl.last_update_utc).crl.next_update_utc
        why = f"the revocation list of {name} ended on {until}: fetch its next"
    elif theirs:
        why = (
            f"no revocation list of {name} speaks for the certificate {certificate.serial_number:X}: those here are "
            "deltas, for other certificates, places or reasons, or say something critical that is not understood: "
            + ", ".join(each.file.name for each in theirs)
        )
    else:
        why = f"there is no revocation list of {name}"
    unread = "; ".join(f"{each.file.name} can't be read: {each.why}" for each in bad)
    return f"{why}; {unread}"[:1000] if unread else why[:1000]


def may_sign_lists(issuer: x509.Certificate) -> bool:
    """May its key sign revocation lists, as far as its certificate says anything?"""
    try:
        return may(issuer, (CRL_SIGN,))
    except CANNOT_BE_READ:
        return False


def signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Is this list signed with the issuer's key (RSA or ECDSA), which may sign lists?"""
    try:
        return may_sign_lists(issuer) and crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except CANNOT_BE_READ:
        return False


def _read(file: Path) -> FilesRead:
    """Read the files; raises `OSError`."""
    data = file.read_bytes()
    lists: list[KnownList] = []
    bad: list[BadFile] = []
    for each in [_PEM + block for block in data.split(_PEM)[1:]] or [data]:
        try:
            crl = _list_in(each)
            _ = (crl.last_update_utc, crl.next_update_utc)  # read only when they are asked for
            lists.append(KnownList(file, crl, scope_of(crl), issuer_name(crl)))
        except CANNOT_BE_READ as wrong:
            bad.append(BadFile(file, f"no revocation list: {wrong}"[:200]))
    return FilesRead(tuple(lists), tuple(bad))


def _list_in(data: bytes) -> x509.CertificateRevocationList:
    if data.startswith(_PEM):
        return x509.load_pem_x509_crl(data)
    try:
        return x509.load_der_x509_crl(data)
    except ValueError:
        return x509.load_der_x509_crl(first_value(data))  # BER, or bytes after the end
