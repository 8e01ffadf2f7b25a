"""Time stamps over signatures (CAdES-T): real tokens of a real time-stamp authority, made by `openssl ts`."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postavka.domain.openssl import gost_environment
from services.shipping.ber import SET, tlv
from services.shipping.certificates import Extension
from services.shipping.cms import SIGNED_DATA, Attribute, ContentInfo, SignedData, SignerInfo, elements, parse
from services.shipping.revocation import RevocationLists
from services.shipping.signatures import INN_ORGANISATION, CmsVerifier, make_verifier
from services.shipping.timestamps import TIME_STAMP, Imprint, TstInfo
from services.shipping.verification import NotVerified, Unverifiable, Verified
from tests.services.shipping.test_signatures import CONTENT, NOW, OPENSSL, ROOT, Files, Holder, needs_gost, openssl

STAMPING = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
YEARS = (timedelta(days=-30), timedelta(days=2_000))
TSA_ROOT = Holder("УЦ штампов времени", ca=True, valid_for=YEARS)
TSA = Holder("Служба штампов времени", TSA_ROOT, valid_for=YEARS, extensions=(STAMPING,))
LASTING = Holder("Удостоверяющий центр", ca=True, valid_for=YEARS)
SIGNER = Holder("ООО «Союз»", LASTING, inns={INN_ORGANISATION: "7736050003"})
"""Valid for 30 days."""
LATER = NOW + timedelta(days=100)
BOTH = CmsVerifier((LASTING.certificate, TSA_ROOT.certificate))
CONFIGURATION = """
[tsa]
default_tsa = ours
[ours]
serial = serial
signer_cert = tsa.pem
certs = ca.pem
signer_key = tsa.key
signer_digest = {digest}
default_policy = 1.2.643.1
digests = sha256, sha512{more}
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = {names}
"""
WITH_GOST = """openssl_conf = begin
[begin]
engines = engines
[engines]
gost = gost
[gost]
engine_id = gost
default_algorithms = ALL
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    there = tmp_path_factory.mktemp("tsa")
    set_up(there, TSA, TSA_ROOT)
    return there


def set_up(there: Path, tsa: Holder, root: Holder) -> None:
    (there / "tsa.pem").write_bytes(tsa.certificate.public_bytes(Encoding.PEM))
    (there / "ca.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))
    (there / "tsa.key").write_bytes(tsa.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (there / "tsa.cnf").write_text(CONFIGURATION.format(digest="sha256", more="", names="sha256"))
    (there / "serial").write_text("01")


def value_of(signature: bytes) -> bytes:
    """What a time stamp is made over."""
    return signer_of(signature).signature


def signer_of(signature: bytes) -> SignerInfo:
    (signer,) = elements(parse(signature).signers)
    return signer.parse(SignerInfo)


def token(there: Path, stamped: bytes, digest: str = "sha256", configuration: str = "tsa.cnf") -> bytes:
    """A token over these bytes, with the time of now."""
    (there / "stamped").write_bytes(stamped)
    environment = {**os.environ, **(gost_environment(OPENSSL) or {}), "OPENSSL_CONF": configuration}
    for arguments in (
        ("-query", "-data", "stamped", f"-{digest}", "-cert", "-out", "query"),
        ("-reply", "-config", configuration, "-queryfile", "query", "-token_out", "-out", "token"),
    ):
        subprocess.run([OPENSSL, "ts", *arguments], cwd=there, env=environment, check=True, capture_output=True)
    return (there / "token").read_bytes()


def with_stamp(signature: bytes, *tokens: bytes) -> bytes:
    """The signature with tokens in its unsigned attribute: CAdES-T."""
    held = b"".join(asn1.encode_der(_tlv(each)) for each in tokens)
    attribute = Attribute(type=ObjectIdentifier(TIME_STAMP), values=_tlv(tlv(SET, held)))
    stamped = replace_fields(signer_of(signature), unsigned_attributes=[_tlv(asn1.encode_der(attribute))])
    signers = _tlv(tlv(SET, asn1.encode_der(stamped)))
    whole: SignedData = replace_fields(parse(signature), signers=signers)
    return asn1.encode_der(ContentInfo(type=ObjectIdentifier(SIGNED_DATA), content=whole))


def _tlv(der: bytes) -> asn1.TLV:
    return asn1.decode_der(asn1.TLV, der)


def replace_fields(thing, **changes):
    names = thing.__dataclass_fields__
    return type(thing)(**{name: changes.get(name, getattr(thing, name)) for name in names})


def made_by_hand(
    there: Path, holder: Holder, stamped: bytes, at: datetime, *more: str, extensions: list[asn1.TLV] | None = None
) -> bytes:
    """A token as no honest authority makes it: any time, any certificate; `more` for `openssl cms -sign`."""
    imprint = Imprint(algorithm=_sha256(), digest=hashlib.sha256(stamped).digest())
    info = TstInfo(
        version=1,
        policy=ObjectIdentifier("1.2.643.1"),
        imprint=imprint,
        serial=7,
        time=asn1.GeneralizedTime(at.replace(microsecond=0)),
        accuracy=None,
        ordering=False,
        nonce=None,
        authority=None,
        extensions=extensions,
    )
    (there / "info").write_bytes(asn1.encode_der(info))
    (there / "its.pem").write_bytes(holder.certificate.public_bytes(Encoding.PEM))
    (there / "its.key").write_bytes(holder.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    kind = ("-nodetach", "-binary", "-econtent_type", "id-smime-ct-TSTInfo", "-outform", "DER")
    who = ("-signer", "its.pem", "-inkey", "its.key")
    openssl(there, "cms", "-sign", *kind, *more, *who, "-in", "info", "-out", "by-hand")
    return (there / "by-hand").read_bytes()


def _sha256() -> asn1.TLV:
    return _tlv(bytes.fromhex("300b0609608648016503040201"))


def verified(signature: bytes, at: datetime = NOW, verifier: CmsVerifier = BOTH) -> Verified:
    found = verifier.verify(CONTENT, signature, at)
    assert isinstance(found, Verified), found
    return found


def refused(signature: bytes, at: datetime = LATER, verifier: CmsVerifier = BOTH) -> tuple[str, str]:
    found = verifier.verify(CONTENT, signature, at)
    assert isinstance(found, NotVerified), found
    return found.reason.code, found.reason.message


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_its_time_is_the_time_of_signing(folder: Path, digest: str):
    plain = SIGNER.sign()
    found = verified(with_stamp(plain, token(folder, value_of(plain), digest)), datetime.now(UTC))
    assert found.time_stamped_by == "CN=Служба штампов времени"
    assert abs(found.signed_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert verified(plain).time_stamped_by is None


def test_a_certificate_that_has_ended_since_still_counts(folder: Path):
    plain = SIGNER.sign()
    stamped = with_stamp(plain, token(folder, value_of(plain)))
    assert verified(stamped, LATER).signer_inn == "7736050003"
    assert verified(stamped, LATER).signed_at < NOW + timedelta(days=1)
    assert refused(plain)[0] == "expired"


def test_the_bytes_must_be_right_all_the_same(folder: Path):
    plain = SIGNER.sign(b"another document")
    assert refused(with_stamp(plain, token(folder, value_of(plain))))[0] == "wrong-bytes"


def test_a_stamp_that_does_not_hold_is_as_none(folder: Path):
    """What it is wrong with is told where the signature needs it; where it does not, the signature counts."""
    plain, value = SIGNER.sign(), value_of(SIGNER.sign())
    right = token(folder, value_of(plain))
    second = right.index(b"\x18\x0f") + 15
    self_made = Holder("Своя служба", valid_for=YEARS, extensions=(STAMPING,))
    for_mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.EMAIL_PROTECTION])
    mixed = Holder("Не только штампы", TSA_ROOT, valid_for=YEARS, extensions=(for_mail,))
    without = Holder("Не служба", TSA_ROOT, valid_for=YEARS)
    ended = Holder("Прежняя служба", TSA_ROOT, extensions=(STAMPING,))
    later = LATER + timedelta(hours=1)
    over = value_of(plain)
    wrong = {
        "он не от этой подписи": token(folder, value),
        "он подписан неверно": right[:second] + bytes([right[second] ^ 1]) + right[second + 1 :],
        "мы не доверяем": made_by_hand(folder, self_made, over, NOW, "-cades"),
        "срок её сертификата истёк": made_by_hand(folder, ended, over, NOW, "-cades"),
        "выдан не для штампов времени": made_by_hand(folder, mixed, over, NOW, "-cades"),
        "сертификат, которым он подписан, выдан не": made_by_hand(folder, without, over, NOW, "-cades"),
        "назван не тот сертификат": made_by_hand(folder, TSA, over, NOW),
        f"его время, {later:%d.%m.%Y %H:%M} UTC, неверно": made_by_hand(folder, TSA, over, later, "-cades"),
        "не удалось прочитать": right[:-1],
    }
    for why, bad in wrong.items():
        try:
            stamped = with_stamp(plain, bad)
        except ValueError:  # no DER at all: an attribute of another kind
            stamped = with_stamp(plain, b"\x30\x03\x02\x01\x01")
        code, message = refused(stamped)
        assert code == "expired"
        assert "Штамп времени не учтён: " in message
        assert why in message, (why, message)
        if bad is not wrong["срок её сертификата истёк"]:
            assert verified(stamped, NOW + timedelta(minutes=1)).time_stamped_by is None


def test_by_hand_is_as_good_as_by_openssl_where_all_is_right(folder: Path):
    """So that the refusals above are for what they say."""
    plain = SIGNER.sign()
    stamped = with_stamp(plain, made_by_hand(folder, TSA, value_of(plain), NOW, "-cades"))
    assert verified(stamped, LATER).signed_at == NOW


@pytest.mark.parametrize(("critical", "counts"), [(True, False), (False, True), (None, True)])
def test_a_critical_extension_that_nobody_knows_makes_a_stamp_none(folder: Path, critical: bool | None, counts: bool):
    plain = SIGNER.sign()
    odd = Extension(id=ObjectIdentifier("1.2.3.4"), critical=critical, value=b"\x05\x00")
    extensions = [_tlv(asn1.encode_der(odd))]
    stamped = with_stamp(plain, made_by_hand(folder, TSA, value_of(plain), NOW, "-cades", extensions=extensions))
    if counts:
        assert verified(stamped, LATER).signed_at == NOW
    else:
        assert "критическое расширение" in refused(stamped)[1]


def test_authorities_of_time_stamps_are_a_setting(folder: Path, tmp_path: Path):
    plain = SIGNER.sign()
    stamped = with_stamp(plain, token(folder, value_of(plain)))
    roots, stamps = tmp_path / "roots.pem", tmp_path / "stamps.pem"
    roots.write_bytes(LASTING.certificate.public_bytes(Encoding.PEM))
    stamps.write_bytes(TSA_ROOT.certificate.public_bytes(Encoding.PEM))
    assert refused(stamped, verifier=make_verifier(Files(roots)))[0] == "expired"
    verifier = make_verifier(Files(roots, signature_time_stamp_roots=stamps))
    assert verified(stamped, LATER, verifier).time_stamped_by is not None
    # Whoever may stamp may not sign documents by that.
    tsa_client = Holder("ООО «Чужое»", TSA_ROOT, inns={INN_ORGANISATION: "7736050003"})
    assert refused(tsa_client.sign(), NOW, verifier)[0] == "untrusted"


# Revocation


def listed(
    issuer: Holder, *revoked: tuple[Holder, datetime, datetime | None], on: datetime = NOW, days: int = 7
) -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(on).next_update(on + timedelta(days=days))
    for holder, since, known in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(holder.certificate.serial_number).revocation_date(since)
        if known is not None:
            entry = entry.add_extension(x509.InvalidityDate(known.replace(tzinfo=None)), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    ("since", "known", "counts"),
    [
        (timedelta(hours=1), None, True),
        (timedelta(hours=-1), None, False),
        (timedelta(hours=1), timedelta(hours=-1), False),
    ],
    ids=["revoked after the stamp", "before it", "after it, but the key was lost before"],
)
def test_when_it_was_revoked(folder: Path, tmp_path: Path, since: timedelta, known: timedelta | None, counts: bool):
    plain = SIGNER.sign()
    stamped = with_stamp(plain, made_by_hand(folder, TSA, value_of(plain), NOW, "-cades"))
    revoked = (SIGNER, NOW + since, NOW + known if known is not None else None)
    at = NOW + timedelta(hours=2)
    (tmp_path / "lists.pem").write_bytes(listed(LASTING, revoked) + listed(TSA_ROOT))
    verifier = replace(BOTH, revocation=RevocationLists(tmp_path))
    if counts:
        assert verified(stamped, at, verifier).signed_at == NOW
    else:
        assert refused(stamped, at, verifier)[0] == "revoked"
    assert refused(plain, at, verifier)[0] == "revoked", "without a stamp it is judged now"


def test_a_revoked_time_stamp_authority_proves_nothing(folder: Path, tmp_path: Path):
    plain = SIGNER.sign()
    stamped = with_stamp(plain, token(folder, value_of(plain)))
    (tmp_path / "lists.pem").write_bytes(
        listed(LASTING, days=200) + listed(TSA_ROOT, (TSA, NOW + timedelta(hours=1), None), days=200)
    )
    verifier = replace(BOTH, revocation=RevocationLists(tmp_path))
    code, message = refused(stamped, LATER, verifier)
    assert (code, "сертификат службы штампов времени отозван" in message) == ("expired", True)


def test_a_certificate_that_has_ended_is_looked_up_in_a_list_of_its_time(folder: Path, tmp_path: Path):
    """Authorities take it off their lists when it has ended: a later list would call a revoked one good."""
    plain = SIGNER.sign()
    stamped = with_stamp(plain, made_by_hand(folder, TSA, value_of(plain), NOW, "-cades"))
    verifier = replace(BOTH, revocation=RevocationLists(tmp_path))
    now = listed(LASTING, on=LATER) + listed(TSA_ROOT, on=LATER)
    (tmp_path / "now.pem").write_bytes(now)
    found = verifier.verify(CONTENT, stamped, LATER)
    assert isinstance(found, Unverifiable)
    assert "the certificate has ended since" in found.cause
    then = NOW + timedelta(days=3)
    (tmp_path / "then.pem").write_bytes(listed(LASTING, (SIGNER, NOW - timedelta(hours=1), None), on=then))
    assert refused(stamped, LATER, verifier)[0] == "revoked"
    (tmp_path / "then.pem").write_bytes(listed(LASTING, on=then))
    assert verified(stamped, LATER, verifier).signed_at == NOW


# GOST


@pytest.fixture(scope="module")
def gost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GOST authority (`ca.pem`), its time-stamp authority, and a signature over `CONTENT` in `signature`."""
    there = tmp_path_factory.mktemp("gost-tsa")
    (there / "content").write_bytes(CONTENT)
    (there / "stamping").write_text("extendedKeyUsage = critical, timeStamping\n")
    names = "oid_section = oids\n[oids]\nINNLE = 1.2.643.100.4\n[req]\ndistinguished_name = any\n[any]\n"
    (there / "req.cnf").write_text(names)
    (there / "serial").write_text("01")
    of_tsa = CONFIGURATION.format(digest="md_gost12_256", more=", md_gost12_256", names="sha256")
    (there / "tsa.cnf").write_text(WITH_GOST + of_tsa)
    new = ("-engine", "gost", "-newkey", "gost2012_256", "-pkeyopt", "paramset:A", "-nodes", "-md_gost12_256")
    new = (*new, "-config", "req.cnf")
    openssl(there, "req", "-x509", *new, "-subj", "/CN=CA", "-days", "1000", "-keyout", "ca.key", "-out", "ca.pem")
    issuing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-md_gost12_256")
    for name, subject, days, more in (
        ("tsa", "/CN=TSA", "900", ("-extfile", "stamping")),
        ("holder", "/CN=OOO Soyuz/INNLE=7736050003", "30", ()),
    ):
        openssl(there, "req", *new, "-subj", subject, "-keyout", f"{name}.key", "-out", "csr")
        done = (*issuing, "-days", days, *more, "-out", f"{name}.pem")
        openssl(there, "x509", "-req", "-engine", "gost", "-in", "csr", *done)
    how = ("-md", "md_gost12_256", "-signer", "holder.pem", "-inkey", "holder.key", "-outform", "DER")
    openssl(there, "cms", "-engine", "gost", "-sign", "-binary", "-in", "content", *how, "-out", "signature")
    return there


@needs_gost
@pytest.mark.parametrize("digest", ["md_gost12_256", "sha256"])
def test_a_gost_time_stamp_over_a_gost_signature(gost: Path, digest: str):
    verifier = CmsVerifier.trusting((gost / "ca.pem").read_bytes())
    plain = (gost / "signature").read_bytes()
    stamped = with_stamp(plain, token(gost, value_of(plain), digest))
    found = verified(stamped, LATER, verifier)
    assert found.time_stamped_by == "CN=TSA"
    assert abs(found.signed_at - datetime.now(UTC)) < timedelta(minutes=10)
    assert refused(plain, verifier=verifier)[0] == "expired"
    assert refused(with_stamp(plain, token(gost, b"another")), verifier=verifier)[0] == "expired"
    assert "мы не доверяем" in refused(stamped, verifier=replace(verifier, time_stamp_roots=(ROOT.certificate,)))[1]
    assert isinstance(replace(verifier, openssl=None).verify(CONTENT, stamped, LATER), Unverifiable)


# Whatever is sent


STAMPED_BY_HAND: list[bytes] = []


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 100_000), value=st.integers(0, 255), cut=st.booleans())
def test_a_changed_one_never_raises_and_proves_no_other_time(folder: Path, place: int, value: int, cut: bool):
    if not STAMPED_BY_HAND:
        plain = SIGNER.sign()
        STAMPED_BY_HAND.append(with_stamp(plain, made_by_hand(folder, TSA, value_of(plain), NOW, "-cades")))
    changed = bytearray(STAMPED_BY_HAND[0])
    place %= len(changed)
    changed[place : place + 1] = b"" if cut else bytes([value])
    found = BOTH.verify(CONTENT, bytes(changed), LATER)
    assert isinstance(found, NotVerified) or found == BOTH.verify(CONTENT, STAMPED_BY_HAND[0], LATER)
