"""Signatures of counterparties: real authorities, certificates with an INN, signatures over exact bytes (L16)."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from cryptography.x509 import NameOID, ObjectIdentifier
from cryptography.x509.name import _ASN1Type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postavka.domain.openssl import find_openssl, gost_environment
from services.documents.seal import Seal
from services.shipping.cms import MOST_OTHERS, read_detached
from services.shipping.revocation import RevocationLists
from services.shipping.signatures import INN_ORGANISATION, INN_PERSON, CmsVerifier, make_verifier
from services.shipping.verification import NotVerified, Unverifiable, Verified

NOW = datetime.now(UTC).replace(microsecond=0)
CONTENT = "Акт приема-передачи № 1".encode()
DETACHED = [PKCS7Options.DetachedSignature, PKCS7Options.Binary]
SIGNING = x509.KeyUsage(
    digital_signature=True,
    content_commitment=True,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Holder:
    """A key with its certificate, issued by another holder or by itself."""

    def __init__(
        self,
        name: str,
        issuer: Holder | None = None,
        *,
        inns: dict[ObjectIdentifier, str] | None = None,
        key: Key | None = None,
        ca: bool = False,
        valid_for: tuple[timedelta, timedelta] = (timedelta(days=-30), timedelta(days=30)),
        extensions: tuple[x509.ExtensionType, ...] = (),
    ) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        numbers = [x509.NameAttribute(oid, inn, _ASN1Type.NumericString) for oid, inn in (inns or {}).items()]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), *numbers])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + valid_for[0])
            .not_valid_after(NOW + valid_for[1])
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=True)
        self.certificate = builder.sign((issuer or self).key, hashes.SHA256())

    def sign(
        self,
        content: bytes = CONTENT,
        *more: x509.Certificate,
        options: list[PKCS7Options] = DETACHED,
        digest: hashes.SHA256 | hashes.SHA384 | hashes.SHA512 = hashes.SHA256(),  # noqa: B008 - a value
        rsa_padding: padding.PSS | None = None,
    ) -> bytes:
        signers = [(self.certificate, self.key, digest, rsa_padding)]
        return PKCS7SignatureBuilder(content, signers, list(more)).sign(Encoding.DER, options)


RSA_KEY = rsa.generate_private_key(65537, 2048)
ROOT = Holder("Удостоверяющий центр", ca=True)
VERIFIER = CmsVerifier((ROOT.certificate,))
ORGANISATION = Holder("ООО «Союз»", ROOT, inns={INN_ORGANISATION: "7736050003"}, extensions=(SIGNING,))


def verify(signature: bytes, content: bytes = CONTENT, at: datetime = NOW, verifier: CmsVerifier = VERIFIER) -> object:
    """The verified signer's INN, or the code of the refusal."""
    match verifier.verify(content, signature, at):
        case Verified(signer_inn):
            return signer_inn
        case NotVerified(reason):
            assert reason.message
            return reason.code
        case Unverifiable() as missing:
            return missing


def test_everything_that_an_event_needs_is_told():
    verified = VERIFIER.verify(CONTENT, ORGANISATION.sign(), NOW)
    assert isinstance(verified, Verified)
    assert verified.signer_inn == "7736050003"
    assert verified.certificate_serial == f"{ORGANISATION.certificate.serial_number:X}"
    assert verified.certificate_subject == "1.2.643.100.4=7736050003,CN=ООО «Союз»"
    assert abs(verified.signed_at - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize("digest", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda digest: digest.name)
@pytest.mark.parametrize(
    ("key", "rsa_padding"),
    [
        (RSA_KEY, None),
        (RSA_KEY, padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)),
        (ec.generate_private_key(ec.SECP256R1()), None),
        (ec.generate_private_key(ec.SECP384R1()), None),
    ],
    ids=["rsa", "rsa-pss", "p256", "p384"],
)
def test_kinds_of_keys_and_digests(key, rsa_padding, digest):
    if rsa_padding:
        rsa_padding = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
    holder = Holder("ООО «Союз»", ROOT, inns={INN_ORGANISATION: "7736050003"}, key=key)
    assert verify(holder.sign(digest=digest, rsa_padding=rsa_padding)) == "7736050003"
    assert verify(holder.sign(digest=digest, rsa_padding=rsa_padding), CONTENT + b" ") == "wrong-bytes"


def test_a_signature_without_signed_attributes_is_dated_by_the_check():
    signature = ORGANISATION.sign(options=[*DETACHED, PKCS7Options.NoAttributes])
    verified = VERIFIER.verify(CONTENT, signature, NOW)
    assert isinstance(verified, Verified)
    assert verified.signed_at == NOW
    assert verify(signature, CONTENT + b" ") == "wrong-bytes"


@pytest.mark.parametrize(
    ("inns", "found"),
    [
        ({INN_ORGANISATION: "7736050003"}, "7736050003"),
        ({INN_PERSON: "500100732259"}, "500100732259"),
        ({INN_PERSON: "007736050003"}, "7736050003"),
        ({INN_PERSON: "500100732259", INN_ORGANISATION: "7736050003"}, "7736050003"),
        ({INN_PERSON: "500100732259", INN_ORGANISATION: "0000000000"}, "500100732259"),
        ({INN_ORGANISATION: "000000000000"}, "no-inn"),
        ({INN_PERSON: "77360"}, "inn-unclear"),
        ({}, "no-inn"),
    ],
)
def test_whose_inn_a_certificate_has(inns: dict[ObjectIdentifier, str], found: str):
    assert verify(Holder("Подписант", ROOT, inns=inns).sign()) == found


def test_two_different_inns_of_a_kind_name_nobody():
    subject = [x509.NameAttribute(INN_ORGANISATION, inn) for inn in ("7736050003", "7707083893")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(ROOT.certificate.subject)
        .public_key(ORGANISATION.key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(ROOT.key, hashes.SHA256())
    )
    signers = [(certificate, ORGANISATION.key, hashes.SHA256(), None)]
    assert verify(PKCS7SignatureBuilder(CONTENT, signers).sign(Encoding.DER, DETACHED)) == "inn-unclear"


def test_wrong_bytes_are_refused():
    assert verify(ORGANISATION.sign(b"another document")) == "wrong-bytes"
    assert verify(ORGANISATION.sign(), b"") == "wrong-bytes"


@pytest.mark.parametrize(
    ("at", "answer"),
    [
        (NOW - timedelta(days=31), "not-yet-valid"),
        (NOW - timedelta(days=30), "7736050003"),
        (NOW + timedelta(days=30), "7736050003"),
        (NOW + timedelta(days=30, seconds=1), "expired"),
    ],
)
def test_the_certificate_must_be_valid_at_that_moment(at: datetime, answer: str):
    assert verify(ORGANISATION.sign(), at=at) == answer


def test_an_expired_authority_is_not_trusted():
    short = Holder("Короткий УЦ", ROOT, ca=True, valid_for=(timedelta(days=-30), timedelta(days=-1)))
    holder = Holder("ООО «Союз»", short, inns={INN_ORGANISATION: "7736050003"})
    assert verify(holder.sign(CONTENT, short.certificate)) == "untrusted"
    assert verify(holder.sign(CONTENT, short.certificate), at=NOW - timedelta(days=2)) == "7736050003"


def test_an_unknown_root_is_refused_even_if_it_has_the_same_name():
    impostor = Holder("Удостоверяющий центр", ca=True)
    holder = Holder("ООО «Союз»", impostor, inns={INN_ORGANISATION: "7736050003"})
    assert verify(holder.sign()) == "untrusted"
    assert verify(holder.sign(CONTENT, impostor.certificate)) == "untrusted"
    assert verify(Holder("Сам себе УЦ", inns={INN_ORGANISATION: "7736050003"}).sign()) == "untrusted"


def test_the_chain_may_go_over_an_intermediate_authority():
    middle = Holder("Промежуточный УЦ", ROOT, ca=True)
    holder = Holder("ООО «Союз»", middle, inns={INN_ORGANISATION: "7736050003"})
    assert verify(holder.sign()) == "untrusted"
    assert verify(holder.sign(CONTENT, middle.certificate)) == "7736050003"
    assert verify(holder.sign(), verifier=replace(VERIFIER, intermediates=(middle.certificate,))) == "7736050003"


def test_of_many_certificates_in_a_signature_a_few_are_tried_and_the_signers_is_found():
    more = [Holder("Удостоверяющий центр", ca=True).certificate for _ in range(MOST_OTHERS + 5)]
    signature = ORGANISATION.sign(CONTENT, *more)
    assert verify(signature) == "7736050003"
    assert len(read_detached(CONTENT, signature).others) == MOST_OTHERS


def test_a_holder_is_no_authority():
    forged = Holder("ООО «Чужое»", ORGANISATION, inns={INN_ORGANISATION: "7707083893"})
    assert verify(forged.sign(CONTENT, ORGANISATION.certificate)) == "untrusted"
    usage_of_a_holder = Holder("УЦ без права", ROOT, ca=True, extensions=(SIGNING,))
    forged = Holder("ООО «Чужое»", usage_of_a_holder, inns={INN_ORGANISATION: "7707083893"})
    assert verify(forged.sign(CONTENT, usage_of_a_holder.certificate)) == "untrusted"


def test_a_foreign_certificate_beside_the_own_key_proves_nothing():
    thief = ec.generate_private_key(ec.SECP256R1())
    signers = [(ORGANISATION.certificate, thief, hashes.SHA256(), None)]
    assert verify(PKCS7SignatureBuilder(CONTENT, signers).sign(Encoding.DER, DETACHED)) == "wrong-bytes"


def test_a_certificate_for_encryption_signs_nothing():
    usage = x509.KeyUsage(False, False, True, False, False, False, False, False, False)
    holder = Holder("ООО «Союз»", ROOT, inns={INN_ORGANISATION: "7736050003"}, extensions=(usage,))
    assert verify(holder.sign()) == "not-for-signing"


def test_the_form_of_a_signature():
    assert verify(ORGANISATION.sign(options=[PKCS7Options.Binary])) == "not-detached"
    assert verify(ORGANISATION.sign(options=[*DETACHED, PKCS7Options.NoCerts])) == "no-certificate"
    signers = [(holder.certificate, holder.key, hashes.SHA256(), None) for holder in (ORGANISATION, ORGANISATION)]
    assert verify(PKCS7SignatureBuilder(CONTENT, signers).sign(Encoding.DER, DETACHED)) == "not-one-signer"


@pytest.mark.parametrize("garbage", [b"", b"0", b"not a signature", b"0\x80" + b"\x00" * 100, CONTENT, b"\xff" * 9000])
def test_garbage_is_unreadable(garbage: bytes):
    assert verify(garbage) == "unreadable"


def test_an_older_digest_is_not_taken(tmp_path: Path):
    openssl(tmp_path, "cms", "-sign", "-binary", "-md", "sha1", *signing_files(tmp_path, ORGANISATION))
    assert verify((tmp_path / "signature").read_bytes()) == "algorithm"


def test_openssl_signs_what_we_verify(tmp_path: Path):
    openssl(tmp_path, "cms", "-sign", "-binary", *signing_files(tmp_path, ORGANISATION))
    assert verify((tmp_path / "signature").read_bytes()) == "7736050003"
    openssl(tmp_path, "cms", "-sign", "-binary", "-cades", *signing_files(tmp_path, ORGANISATION))
    assert verify((tmp_path / "signature").read_bytes()) == "7736050003"


def test_a_signer_may_be_named_by_its_key(tmp_path: Path):
    identifier = x509.SubjectKeyIdentifier.from_public_key(RSA_KEY.public_key())
    inns = {INN_ORGANISATION: "7736050003"}
    holder = Holder("ООО «Союз»", ROOT, inns=inns, key=RSA_KEY, extensions=(identifier,))
    openssl(tmp_path, "cms", "-sign", "-binary", "-keyid", *signing_files(tmp_path, holder))
    assert verify((tmp_path / "signature").read_bytes()) == "7736050003"


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.booleans())
def test_a_changed_signature_never_raises_and_never_gives_another_inn(place: int, value: int, cut: bool):
    signature = bytearray(SIGNATURE)
    place %= len(signature)
    signature[place : place + 1] = b"" if cut else bytes([value])
    answer = verify(bytes(signature))
    assert answer == "7736050003" or not str(answer).isdigit()


SIGNATURE = ORGANISATION.sign()


def test_trust_comes_from_a_pem_file():
    pem = ROOT.certificate.public_bytes(Encoding.PEM)
    assert verify(ORGANISATION.sign(), verifier=CmsVerifier.trusting(pem + pem, pem)) == "7736050003"
    with pytest.raises(ValueError, match="PEM"):
        CmsVerifier.trusting(b"no certificates here")


@dataclass(frozen=True)
class Files:
    """Settings, as far as trust goes."""

    signature_roots: Path | None = None
    signature_intermediates: Path | None = None
    signature_revocation_lists: Path | None = None
    signature_time_stamp_roots: Path | None = None


def test_trust_is_a_setting(tmp_path: Path):
    middle = Holder("Промежуточный УЦ", ROOT, ca=True)
    signature = Holder("ООО «Союз»", middle, inns={INN_ORGANISATION: "7736050003"}).sign()
    roots, more = tmp_path / "roots.pem", tmp_path / "intermediates.pem"
    roots.write_bytes(ROOT.certificate.public_bytes(Encoding.PEM))
    more.write_bytes(middle.certificate.public_bytes(Encoding.PEM))
    assert isinstance(make_verifier(Files()).verify(CONTENT, signature, NOW), Unverifiable)
    assert isinstance(make_verifier(Files(roots)).verify(CONTENT, signature, NOW), NotVerified)
    assert isinstance(make_verifier(Files(roots, more)).verify(CONTENT, signature, NOW), Verified)


# Revocation


def revocation_list(
    issuer: Holder,
    *revoked: Holder,
    on: datetime = NOW - timedelta(days=1),
    ends: datetime = NOW + timedelta(days=7),
    signed_by: Holder | None = None,
) -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(NOW - timedelta(days=2)).next_update(ends)
    for holder in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(holder.certificate.serial_number).revocation_date(on)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign((signed_by or issuer).key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture
def lists(tmp_path: Path) -> tuple[Path, CmsVerifier]:
    """An empty folder of revocation lists, and a verifier that looks there."""
    return tmp_path, replace(VERIFIER, revocation=RevocationLists(tmp_path))


def test_a_revoked_certificate_is_refused_and_others_are_not(lists: tuple[Path, CmsVerifier]):
    folder, verifier = lists
    other = Holder("ООО «Лес»", ROOT, inns={INN_ORGANISATION: "7707083893"})
    (folder / "root.crl").write_bytes(revocation_list(ROOT, other))
    assert verify(ORGANISATION.sign(), verifier=verifier) == "7736050003"
    assert verify(other.sign(), verifier=verifier) == "revoked"
    assert verify(other.sign(), at=NOW - timedelta(days=1, hours=1), verifier=verifier) == "7707083893"


def test_a_list_that_comes_later_counts_from_then_on(lists: tuple[Path, CmsVerifier]):
    folder, verifier = lists
    (folder / "root.crl").write_bytes(revocation_list(ROOT))
    assert verify(ORGANISATION.sign(), verifier=verifier) == "7736050003"
    (folder / "root.crl").write_bytes(revocation_list(ROOT, ORGANISATION))
    assert verify(ORGANISATION.sign(), verifier=verifier) == "revoked"


def test_without_a_current_list_of_the_issuer_nothing_can_be_told(lists: tuple[Path, CmsVerifier]):
    folder, verifier = lists
    stranger = Holder("Удостоверяющий центр", ca=True)  # the same name, another key
    for content in (
        revocation_list(stranger, ORGANISATION),
        revocation_list(ROOT, ORGANISATION, signed_by=stranger),
        revocation_list(ROOT, ends=NOW - timedelta(hours=1)),
    ):
        (folder / "root.crl").write_bytes(content)
        found = verify(ORGANISATION.sign(), verifier=verifier)
        assert isinstance(found, Unverifiable), found
        assert "revocation list" in found.cause
    (folder / "root.crl").unlink()
    assert isinstance(verify(ORGANISATION.sign(), verifier=verifier), Unverifiable)


def test_a_revoked_authority_takes_its_certificates_along(lists: tuple[Path, CmsVerifier]):
    folder, verifier = lists
    middle = Holder("Промежуточный УЦ", ROOT, ca=True)
    signature = Holder("ООО «Союз»", middle, inns={INN_ORGANISATION: "7736050003"}).sign(CONTENT, middle.certificate)
    (folder / "both.pem").write_bytes(revocation_list(ROOT) + revocation_list(middle))
    assert verify(signature, verifier=verifier) == "7736050003"
    (folder / "both.pem").write_bytes(revocation_list(ROOT, middle) + revocation_list(middle))
    assert verify(signature, verifier=verifier) == "revoked"
    (folder / "both.pem").write_bytes(revocation_list(ROOT))
    assert isinstance(verify(signature, verifier=verifier), Unverifiable)


def test_lists_are_a_setting_and_may_be_one_file_in_der(tmp_path: Path):
    roots, crl = tmp_path / "roots.pem", tmp_path / "list"
    roots.write_bytes(ROOT.certificate.public_bytes(Encoding.PEM))
    crl.write_bytes(x509.load_pem_x509_crl(revocation_list(ROOT, ORGANISATION)).public_bytes(Encoding.DER))
    files = Files(roots, signature_revocation_lists=crl)
    assert verify(ORGANISATION.sign(), verifier=make_verifier(files)) == "revoked"
    crl.write_bytes(b"noise")
    assert isinstance(verify(ORGANISATION.sign(), verifier=make_verifier(files)), Unverifiable)


# GOST R 34.10-2012, through the command `openssl` with its engine


OPENSSL = find_openssl() or "openssl"
needs_gost = pytest.mark.skipif(
    gost_environment(OPENSSL) is None, reason=f"{OPENSSL} has no engine gost: make debian (libengine-gost-openssl)"
)
CONFIGURATION = """
oid_section = oids
[oids]
INNLE = 1.2.643.100.4
[req]
prompt = no
string_mask = utf8only
distinguished_name = holder
x509_extensions = authority
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = keyCertSign, cRLSign
[holder]
CN = OOO Soyuz
INNLE = 7736050003
"""


AUTHORITY = """
[ca]
default_ca = ours
[ours]
database = index
certificate = ca.pem
private_key = ca.key
default_md = md_gost12_256
"""


@pytest.fixture(scope="module")
def gost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a GOST authority (`ca.pem`), one of the same name that is not trusted, and a signature of each."""
    folder = tmp_path_factory.mktemp("gost")
    (folder / "configuration").write_text(CONFIGURATION)
    (folder / "content").write_bytes(CONTENT)
    new = ("-engine", "gost", "-newkey", "gost2012_256", "-pkeyopt", "paramset:A", "-nodes", "-md_gost12_256")
    for ca in ("ca", "impostor"):
        subject = ("-config", "configuration", "-subj", "/CN=GOST CA")
        openssl(folder, "req", "-x509", *new, *subject, "-days", "10", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
        openssl(folder, "req", *new, "-config", "configuration", "-keyout", "key", "-out", "csr")
        issuing = ("-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-days", "5", "-md_gost12_256")
        openssl(folder, "x509", "-req", "-engine", "gost", "-in", "csr", *issuing, "-out", "pem")
        (folder / f"{ca}.holder.pem").write_bytes((folder / "pem").read_bytes())
        (folder / f"{ca}.holder.key").write_bytes((folder / "key").read_bytes())
        how = ("-md", "md_gost12_256", "-signer", "pem", "-inkey", "key", "-outform", "DER")
        openssl(folder, "cms", "-engine", "gost", "-sign", "-binary", "-in", "content", *how, "-out", f"{ca}.signature")
    return folder


@needs_gost
def test_a_gost_signature(gost: Path):
    verifier = CmsVerifier.trusting((gost / "ca.pem").read_bytes() + ROOT.certificate.public_bytes(Encoding.PEM))
    signature = (gost / "ca.signature").read_bytes()
    now = datetime.now(UTC)
    assert verify(signature, at=now, verifier=verifier) == "7736050003"
    assert verify(signature, at=now, verifier=replace(verifier, intermediates=verifier.roots)) == "7736050003"
    assert verify(signature, CONTENT + b" ", at=now, verifier=verifier) == "wrong-bytes"
    assert verify(signature, at=now + timedelta(days=6), verifier=verifier) == "expired"
    assert verify(signature, at=now) == "untrusted"
    assert verify((gost / "impostor.signature").read_bytes(), at=now, verifier=verifier) == "untrusted"
    assert verify(ORGANISATION.sign(), verifier=verifier) == "7736050003"


@needs_gost
def test_a_revoked_gost_certificate(gost: Path, tmp_path: Path):
    trusted = CmsVerifier.trusting((gost / "ca.pem").read_bytes())
    verifier = replace(trusted, revocation=RevocationLists(tmp_path))
    signature = (gost / "ca.signature").read_bytes()
    assert isinstance(verify(signature, at=datetime.now(UTC), verifier=verifier), Unverifiable)
    (gost / "index").write_text("")
    (gost / "ca.cnf").write_text(AUTHORITY)

    def issue(*days: str) -> None:
        openssl(gost, "ca", "-engine", "gost", "-config", "ca.cnf", "-gencrl", *days, "-out", "list.pem")
        (tmp_path / "list.pem").write_bytes((gost / "list.pem").read_bytes())

    issue("-crldays", "3")
    assert verify(signature, at=datetime.now(UTC), verifier=verifier) == "7736050003"
    later = verify(signature, at=datetime.now(UTC) + timedelta(days=4), verifier=verifier)
    assert isinstance(later, Unverifiable)
    assert "revocation list" in later.cause
    openssl(gost, "ca", "-engine", "gost", "-config", "ca.cnf", "-revoke", "ca.holder.pem")
    issue("-crldays", "3")
    assert verify(signature, at=datetime.now(UTC) + timedelta(seconds=2), verifier=verifier) == "revoked"


@needs_gost
def test_the_engine_is_found_where_openssl_does_not_look(gost: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("postavka.domain.openssl._found", {})
    monkeypatch.setenv("OPENSSL_ENGINES", str(tmp_path))
    assert gost_environment(OPENSSL), "somewhere else than where the variable says"
    verifier = CmsVerifier.trusting((gost / "ca.pem").read_bytes())
    assert verify((gost / "ca.signature").read_bytes(), at=datetime.now(UTC), verifier=verifier) == "7736050003"
    sealed = Seal(gost / "ca.holder.pem", gost / "ca.holder.key", "gost", "md_gost12_256").sign(CONTENT)
    assert verify(sealed, at=datetime.now(UTC), verifier=verifier) == "7736050003"


@needs_gost
def test_gost_without_the_command_can_not_be_told(gost: Path):
    verifier = CmsVerifier.trusting((gost / "ca.pem").read_bytes())
    signature = (gost / "ca.signature").read_bytes()
    for command in (None, shutil.which("false"), "/no/such/command"):
        lacking = replace(verifier, openssl=command)
        assert isinstance(verify(signature, at=datetime.now(UTC), verifier=lacking), Unverifiable)


def openssl(folder: Path, *arguments: str) -> None:
    environment = {**os.environ, **(gost_environment(OPENSSL) or {})}
    subprocess.run([OPENSSL, *arguments], cwd=folder, env=environment, check=True, capture_output=True)


def signing_files(folder: Path, holder: Holder) -> list[str]:
    """The arguments of `openssl cms -sign` for this holder; the result is in the file `signature`."""
    (folder / "content").write_bytes(CONTENT)
    (folder / "pem").write_bytes(holder.certificate.public_bytes(Encoding.PEM))
    (folder / "key").write_bytes(holder.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return ["-in", "content", "-signer", "pem", "-inkey", "key", "-outform", "DER", "-out", "signature"]
