"""Whom to trust: does a signature hold, and does its certificate lead to a trusted root? (L16)

RSA and ECDSA are checked in process, the chain by `cryptography.x509.verification`, or by `openssl verify` where a
certificate has critical extensions that only openssl follows. GOST R 34.10-2012 is not in
`cryptography`; it goes through the `openssl` command and its engine `gost` (Debian: `libengine-gost-openssl`). Without
them a GOST signature is `CannotTell`, not refused.

Two moments matter. At `moment` the document was signed, as far as that is proven: certificates must have been valid
then, and not revoked yet. At `at` it is checked: what is known of revocation must be current then.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from postavka.domain.openssl import SECONDS, find_openssl, gost_environment
from services.shipping.certificates import BY_OPENSSL, CANNOT_BE_READ, critical_in, is_same, issuer_of, subject_of
from services.shipping.cms import UNREADABLE, BadSignature, Signed, is_gost, verify_signature, wrong_bytes
from services.shipping.revocation import RevocationLists, Revoked, may_sign_lists, signed_by

LONGEST_CHAIN = 8
WITH_GOST = """openssl_conf = begin
[begin]
engines = engines
[engines]
gost = gost
[gost]
engine_id = gost
default_algorithms = ALL
"""
"""The engine for commands of openssl that have no option to name it."""


class CannotTell(Exception):
    """It can't be decided here and now: something is missing on this machine, not in the signature."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """The certificate authorities that are trusted, `roots`. `intermediates` help where senders leave theirs out; they
    are not trusted."""

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()
    openssl: str | None = field(default_factory=find_openssl)
    """The command for GOST; None: no GOST here."""
    revocation: RevocationLists | None = None
    """None: whether a certificate was taken back is not looked at."""

    def check(self, signed: Signed, moment: datetime, at: datetime, purpose: str = "any") -> None:
        """The signature covers exactly its content, and its certificate led to a trusted root at `moment`.

        `purpose`: as openssl names it; what it asks of the certificate in process is the caller's to check. Raises
        `BadSignature`; `CannotTell` and `NoCurrentList` where it can't be decided.
        """
        others = [*signed.others, *self.intermediates]
        if signed.is_gost:
            self._require_gost()
            self._verify_gost(signed, others, moment, purpose)
            chain = self._chain_again(signed.certificate, others, moment) if self.revocation is not None else []
        else:
            verify_signature(signed)
            chain = self._chain(signed.certificate, others, moment)
        if self.revocation is not None:
            try:
                self.revocation.check(chain, moment, at, self._list_is_signed_by)
            except Revoked as revoked:
                message = f"Сертификат подписи отозван {revoked.since:%d.%m.%Y}: подпишите действующим сертификатом."
                raise BadSignature("revoked", message) from None

    def digest(self, algorithm: str, data: bytes) -> bytes:
        """The digest of `data` by an algorithm of openssl's (`md_gost12_256`). Raises `CannotTell`."""
        self._require_gost()
        return self._run("dgst", "-engine", "gost", f"-{algorithm}", "-binary", given=data).stdout

    def _chain(
        self, certificate: x509.Certificate, others: Sequence[x509.Certificate], moment: datetime
    ) -> list[x509.Certificate]:
        """The chain from the certificate over others that may sign certificates to a root, all valid at `moment`."""
        roots = [root for root in self.roots if not is_gost(root)]
        if not roots:
            raise _untrusted()
        verifier = (
            PolicyBuilder()
            .store(Store(roots))
            .time(moment.astimezone(UTC).replace(tzinfo=None))
            .extension_policies(ca_policy=_CA_POLICY, ee_policy=ExtensionPolicy.permit_all())
            .build_client_verifier()
        )
        try:
            return list(verifier.verify(certificate, [*others]).chain)
        except VerificationError:
            if not any(_is_for_openssl(each) for each in (certificate, *others)):
                raise _untrusted() from None
        return self._chain_by_openssl(certificate, others, moment)

    def _chain_by_openssl(
        self, certificate: x509.Certificate, others: Sequence[x509.Certificate], moment: datetime
    ) -> list[x509.Certificate]:
        if self.openssl is None:
            raise CannotTell("the certificate has critical extensions that openssl can check, and it is missing")
        with tempfile.TemporaryDirectory(prefix="chain-") as directory:
            there = Path(directory)
            (there / "roots").write_bytes(_pem(self.roots))
            (there / "more").write_bytes(_pem([certificate, *others]))
            (there / "certificate").write_bytes(_pem([certificate]))
            ran = self._run(
                *("verify", "-CAfile", str(there / "roots"), "-no-CApath", "-no-CAstore", "-purpose", "any"),
                *("-auth_level", "2"),  # no SHA-1, no short keys: as it is in process
                *("-attime", str(int(moment.timestamp())), "-untrusted", str(there / "more")),
                str(there / "certificate"),
            )
        if ran.returncode:
            raise _untrusted()
        return self._chain_again(certificate, others, moment)

    def _chain_again(
        self, certificate: x509.Certificate, others: Iterable[x509.Certificate], moment: datetime
    ) -> list[x509.Certificate]:
        """The chain that openssl has found and does not show: each certificate with the one whose key signed it."""
        chain, candidates = [certificate], [*self.roots, *others]
        while chain[-1] not in self.roots and len(chain) < LONGEST_CHAIN:
            last = chain[-1]
            name = issuer_of(last)
            issuers = (each for each in candidates if is_same(subject_of(each), name) and each not in chain)
            issuer = next((each for each in issuers if self._issued(each, last, moment)), None)
            if issuer is None:
                break
            chain.append(issuer)
        if chain[-1] not in self.roots:
            raise _untrusted()
        return chain

    def _issued(self, issuer: x509.Certificate, certificate: x509.Certificate, moment: datetime) -> bool:
        with tempfile.TemporaryDirectory(prefix="chain-") as directory:
            there = Path(directory)
            (there / "issuer").write_bytes(_pem([issuer]))
            (there / "certificate").write_bytes(_pem([certificate]))
            ran = self._run(
                *("verify", "-partial_chain", "-no-CAfile", "-no-CApath", "-no-CAstore"),
                *(("-engine", "gost") if is_gost(issuer) else ()),
                *("-attime", str(int(moment.timestamp())), "-trusted", str(there / "issuer")),
                str(there / "certificate"),
            )
            return ran.returncode == 0

    # GOST R 34.10-2012

    def _require_gost(self) -> None:
        """Raises `CannotTell`, saying what this machine lacks to check GOST signatures."""
        if self.openssl is None:
            raise CannotTell("GOST R 34.10-2012: the command openssl is missing")
        if gost_environment(self.openssl) is None:
            raise CannotTell("GOST R 34.10-2012: openssl has no engine gost (Debian: libengine-gost-openssl)")

    def _verify_gost(self, signed: Signed, others: Iterable[x509.Certificate], moment: datetime, purpose: str) -> None:
        """Signature and chain by `openssl cms`; it must have meant the certificate that was read here."""
        with tempfile.TemporaryDirectory(prefix="signature-") as directory:
            there = Path(directory)
            (there / "content").write_bytes(signed.content)
            (there / "roots").write_bytes(_pem(self.roots))
            (there / "more").write_bytes(_pem([signed.certificate, *others]))
            output = b""
            for der in signed.encodings():
                (there / "signature").write_bytes(der)
                ran = self._run(
                    *("cms", "-engine", "gost", "-verify", "-binary", "-inform", "DER", "-purpose", purpose),
                    *("-in", str(there / "signature"), "-out", str(there / "out")),
                    *(("-content", str(there / "content")) if signed.is_detached else ()),
                    *("-CAfile", str(there / "roots"), "-no-CApath", "-no-CAstore", "-certfile", str(there / "more")),
                    *("-attime", str(int(moment.timestamp())), "-signer", str(there / "signer")),
                )
                if not ran.returncode:
                    break
                output += ran.stderr
            else:
                if b"certificate verify error" in output:
                    raise _untrusted()
                if b"content verify error" in output or b"verification failure" in output:
                    raise wrong_bytes()
                raise BadSignature(UNREADABLE.code, UNREADABLE.message)
            if x509.load_pem_x509_certificates((there / "signer").read_bytes()) != [signed.certificate]:
                raise BadSignature("signer-unclear", "В подписи два сертификата с одним номером: чей из них, неясно.")

    def _list_is_signed_by(self, crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
        if not is_gost(issuer):
            return signed_by(crl, issuer)
        if not may_sign_lists(issuer):
            return False
        with tempfile.TemporaryDirectory(prefix="list-") as directory:
            there = Path(directory)
            (there / "issuer").write_bytes(_pem([issuer]))
            (there / "list").write_bytes(crl.public_bytes(Encoding.PEM))
            (there / "configuration").write_text(WITH_GOST)
            ran = self._run(
                *("crl", "-in", str(there / "list"), "-CAfile", str(there / "issuer")),
                *("-no-CApath", "-no-CAstore", "-noout", "-verify"),
                configuration=there / "configuration",
            )
            return ran.returncode == 0 and b"verify OK" in ran.stderr

    def _run(
        self, *arguments: str, given: bytes = b"", configuration: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Raises `CannotTell` where the command itself fails to run."""
        command = [self.openssl or "openssl", *arguments]
        environment = {**os.environ, **(gost_environment(command[0]) or {})}
        environment |= {"OPENSSL_CONF": str(configuration)} if configuration else {}
        try:
            return subprocess.run(  # noqa: S603
                command, input=given, env=environment, capture_output=True, timeout=SECONDS, check=False
            )
        except (OSError, subprocess.SubprocessError) as failed:
            raise CannotTell(f"the command openssl failed: {failed}") from None


def _pem(certificates: Iterable[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


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


def _is_for_openssl(certificate: x509.Certificate) -> bool:
    try:
        return not critical_in(certificate).isdisjoint(BY_OPENSSL)
    except CANNOT_BE_READ:
        return False


def _untrusted() -> BadSignature:
    message = "Сертификат подписи не ведёт к действующему удостоверяющему центру, которому мы доверяем."
    return BadSignature("untrusted", message)
