"""Signatures as the world writes them: BER, bytes after the end, attributes in any order, odd certificates.

What is taken is taken by openssl as well, or says the same as what openssl takes in other bytes; what is changed is
refused in every form.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import NameOID, ObjectIdentifier
from cryptography.x509.name import _ASN1Type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postavka.domain.openssl import gost_environment
from services.shipping.ber import DEEPEST, SEQUENCE, SET, first_value, tlv, values_in
from services.shipping.cms import unreadable_certificate
from services.shipping.revocation import RevocationLists
from services.shipping.signatures import INN_ORGANISATION, CmsVerifier
from services.shipping.timestamps import TIME_STAMP
from services.shipping.verification import NotVerified, Unverifiable, Verified
from tests.services.shipping.loose_ber import OCTETS, everything, indefinite, loose
from tests.services.shipping.test_signatures import (
    CONTENT,
    NOW,
    OPENSSL,
    ORGANISATION,
    ROOT,
    RSA_KEY,
    SIGNING,
    VERIFIER,
    Holder,
    gost,
    needs_gost,
    openssl,
    signing_files,
    verify,
)
from tests.services.shipping.test_timestamps import BOTH, LATER, SIGNER, TSA, folder, made_by_hand, value_of, with_stamp

__all__ = ["folder", "gost"]  # fixtures
INN = "7736050003"
CLERK = Holder("ООО «Союз»", ROOT, inns={INN_ORGANISATION: INN}, key=RSA_KEY, extensions=(SIGNING,))
NULL, INTEGER, ONE = b"\x05", b"\x02", b"\x02\x01\x01"
AUTHORITY_KEYS = x509.KeyUsage(False, False, False, False, False, True, True, False, False)


def oid(dotted: str) -> bytes:
    return asn1.encode_der(ObjectIdentifier(dotted))


SHA256 = tlv(SEQUENCE, oid("2.16.840.1.101.3.4.2.1") + tlv(NULL, b""))
SHA512 = tlv(SEQUENCE, oid("2.16.840.1.101.3.4.2.3") + tlv(NULL, b""))
Attributes = Callable[[list[bytes]], list[bytes]]


def attribute(type_: str, *values: bytes) -> bytes:
    return tlv(SEQUENCE, oid(type_) + tlv(SET, b"".join(values)))


def by_hand(
    *,
    sent: Attributes = sorted,
    signed: Attributes | None = None,
    certificate: x509.Certificate = CLERK.certificate,
    certificates: bytes | None = None,
    time: bytes = tlv(b"\x17", b"261130120000Z"),
    digests: bytes = SHA256,
    content: bytes = CONTENT,
    more: tuple[bytes, ...] = (),
    algorithms: tuple[bytes, bytes] | None = None,
    digest: Callable[[bytes], bytes] = lambda data: hashlib.sha256(data).digest(),
    sign: Callable[[bytes], bytes] = lambda data: RSA_KEY.sign(data, padding.PKCS1v15(), hashes.SHA256()),
) -> bytes:
    """A signature of `CLERK`, with its attributes in the order `sent`, and `signed` in another, if one is given.

    `algorithms`: of the digest and of the signature, where it is another's with `digest` and `sign`.
    """
    attributes = [
        attribute("1.2.840.113549.1.9.3", oid("1.2.840.113549.1.7.1")),
        attribute("1.2.840.113549.1.9.4", tlv(OCTETS, digest(content))),
        attribute("1.2.840.113549.1.9.5", time),
        *more,
    ]
    value = sign(tlv(SET, b"".join((signed or sent)(attributes))))
    number = certificate.serial_number
    issuer = certificate.issuer.public_bytes()
    serial = tlv(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))
    digested, made = algorithms or (SHA256, tlv(SEQUENCE, oid("1.2.840.113549.1.1.1") + tlv(NULL, b"")))
    signer = ONE + tlv(SEQUENCE, issuer + serial) + digested + tlv(b"\xa0", b"".join(sent(attributes)))
    signer = tlv(SEQUENCE, signer + made + tlv(OCTETS, value))
    held = certificate.public_bytes(Encoding.DER) if certificates is None else certificates
    inside = tlv(SEQUENCE, oid("1.2.840.113549.1.7.1"))
    data = tlv(SEQUENCE, ONE + tlv(SET, digests) + inside + tlv(b"\xa0", held) + tlv(SET, signer))
    return tlv(SEQUENCE, oid("1.2.840.113549.1.7.2") + tlv(b"\xa0", data))


def backwards(attributes: list[bytes]) -> list[bytes]:
    return sorted(attributes, reverse=True)


def by_openssl(there: Path, signature: bytes, *more: str, roots: str = "root.pem") -> bool:
    """Does openssl take it?"""
    (there / "content").write_bytes(CONTENT)
    (there / "try").write_bytes(signature)
    if roots == "root.pem":
        (there / roots).write_bytes(ROOT.certificate.public_bytes(Encoding.PEM))
    how = ("-verify", "-binary", "-inform", "DER", "-in", "try", "-content", "content", "-CAfile", roots)
    environment = {**os.environ, **(gost_environment(OPENSSL) or {})}
    command = [OPENSSL, "cms", *more, *how, "-purpose", "any", "-out", "/dev/null"]
    return subprocess.run(command, cwd=there, env=environment, capture_output=True).returncode == 0


def refused(signature: bytes, verifier: CmsVerifier = VERIFIER) -> tuple[str, str]:
    found = verifier.verify(CONTENT, signature, NOW)
    assert isinstance(found, NotVerified), found
    return found.reason.code, found.reason.message


# BER


DER = [ORGANISATION.sign(), by_hand(), ROOT.certificate.public_bytes(Encoding.DER)]


@given(st.sampled_from(DER), st.randoms(use_true_random=False), st.binary(max_size=40))
def test_a_value_of_ber_has_one_der(der: bytes, chance, after: bytes):
    assert first_value(loose(der, lambda tag, content: chance.random() < 0.5) + after) == der


def test_what_ber_lets_come_in_pieces():
    assert first_value(b"\x23\x80\x03\x02\x00\xab\x03\x02\x04\xc0\x00\x00") == b"\x03\x03\x04\xab\xc0"
    assert first_value(b"\x2c\x84\x00\x00\x00\x06\x0c\x01a\x0c\x01b") == b"\x0c\x02ab"
    assert first_value(b"\x24\x80" + indefinite(b"\x24", b"\x04\x01a") + b"\x04\x01b\x00\x00") == b"\x04\x02ab"
    assert first_value(b"\x30\x81\x03\x02\x01\x01") == b"\x30\x03\x02\x01\x01"
    assert first_value(b"\x7f\x81\x01\x80\x05\x00\x00\x00") == b"\x7f\x81\x01\x02\x05\x00"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x30\x80\x02\x01\x01\x00",
        b"\x04\x80\x00\x00",
        b"\x30\x05\x02\x01\x01",
        b"\x30\x02\x00\x00",
        b"\x30\x03\x02\x02\x01\x01",
        b"\x30\x85\x01\x00\x00\x00\x00",
        b"\x24\x03\x02\x01\x01",
        b"\x23\x08\x03\x02\x04\xc0\x03\x02\x00\xab",
        b"\x1f",
        b"\x30\x80" * (DEEPEST + 2) + b"\x00\x00" * (DEEPEST + 2),
        b"\x30\x80" * 100_000,
    ],
)
def test_what_is_no_ber_is_told(data: bytes):
    with pytest.raises(ValueError, match=r"value|length|string"):
        first_value(data)


def test_a_signature_that_openssl_streams(tmp_path: Path):
    """It has indefinite lengths, and the document inside although a detached one was asked for."""
    openssl(tmp_path, "cms", "-sign", "-binary", "-stream", *signing_files(tmp_path, CLERK))
    streamed = (tmp_path / "signature").read_bytes()
    assert streamed[:2] == b"\x30\x80"
    assert by_openssl(tmp_path, streamed)
    assert verify(streamed) == INN
    assert verify(streamed, CONTENT + b" ") == "wrong-bytes"
    assert verify(streamed.replace(CONTENT, CONTENT[:-1] + b"2")) == "wrong-bytes"


@pytest.mark.parametrize(
    "way",
    [everything, lambda tag, _: tag != OCTETS, lambda tag, _: tag == OCTETS, lambda tag, _: tag[0] >= 0xA0],
    ids=["all", "lengths", "strings", "containers"],
)
@pytest.mark.parametrize("holder", [ORGANISATION, CLERK], ids=["ecdsa", "rsa"])
def test_ber_in_every_part_says_the_same(holder: Holder, way):
    """In attributes and certificates too: what is signed of them is their DER (RFC 5652, 5.4; RFC 5280, 4.1.1.3)."""
    signature = loose(holder.sign(), way)
    assert verify(signature) == INN
    assert verify(signature, CONTENT + b" ") == "wrong-bytes"
    assert verify(loose(holder.sign(b"another"), way)) == "wrong-bytes"


def test_the_outside_in_ber_is_taken_by_openssl_too(tmp_path: Path):
    inner = CLERK.certificate.tbs_certificate_bytes
    signature = by_hand(certificates=loose(CLERK.certificate.public_bytes(Encoding.DER), lambda _, c: c not in inner))
    assert by_openssl(tmp_path, signature)
    assert verify(signature) == INN


LOOSE = [loose(CLERK.sign()), loose(CLERK.sign(), lambda tag, _: tag[0] >= 0xA0)]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(LOOSE), st.integers(0, 100_000), st.integers(0, 255), st.booleans())
def test_a_changed_one_in_ber_never_raises_and_never_gives_another_inn(
    signature: bytes, at: int, value: int, cut: bool
):
    changed = bytearray(signature)
    at %= len(changed)
    changed[at : at + 1] = b"" if cut else bytes([value])
    answer = verify(bytes(changed))
    assert answer == INN or not str(answer).isdigit()
    assert not str(verify(bytes(changed), CONTENT + b" ")).isdigit()


@pytest.mark.parametrize("after", [b"\n", b"\r\n", b"\x00" * 512, b"-- \nsent from a phone", b"\x30\x80"])
def test_bytes_after_the_end_change_nothing(tmp_path: Path, after: bytes):
    for signature in (CLERK.sign(), loose(CLERK.sign(), lambda tag, _: tag[0] >= 0xA0)):
        assert verify(signature + after) == INN
        assert verify(signature + after, b"another") == "wrong-bytes"
    assert by_openssl(tmp_path, CLERK.sign() + after)
    assert verify(CLERK.sign()[:-1] + after) in ("unreadable", "wrong-bytes")


def test_a_stamp_in_ber(folder: Path):
    plain = SIGNER.sign()
    stamped = with_stamp(plain, made_by_hand(folder, TSA, value_of(plain), NOW, "-cades"))
    other = with_stamp(plain, made_by_hand(folder, TSA, b"another", NOW, "-cades"))
    for way in (everything, lambda tag, _: tag != OCTETS, lambda tag, _: tag == OCTETS):
        found = BOTH.verify(CONTENT, loose(stamped, way), LATER)
        assert isinstance(found, Verified), found
        assert found.signed_at == NOW
        assert isinstance(BOTH.verify(CONTENT, loose(other, way), LATER), NotVerified)


def test_a_stamp_that_openssl_streams(folder: Path):
    plain = SIGNER.sign()
    stamped = with_stamp(plain, first_value(made_by_hand(folder, TSA, value_of(plain), NOW, "-cades", "-stream")))
    assert isinstance(BOTH.verify(CONTENT, stamped, LATER), Verified)


# The order of sets


@pytest.mark.parametrize(("sent", "signed"), [(backwards, backwards), (backwards, sorted), (list, list)])
def test_attributes_in_another_order_than_ders(tmp_path: Path, sent: Attributes, signed: Attributes):
    signature = by_hand(sent=sent, signed=signed)
    assert verify(signature) == INN
    assert sent is not signed or by_openssl(tmp_path, signature)
    assert verify(signature, CONTENT + b" ") == "wrong-bytes"
    assert verify(by_hand(sent=sent, signed=lambda found: found[:-1])) == "wrong-bytes"


def test_one_attribute_with_values_in_another_order(tmp_path: Path):
    two, one = tlv(INTEGER, b"\x02"), ONE
    stand, der = attribute("1.2.3.4", two, one), attribute("1.2.3.4", one, two)

    def in_order(attributes: list[bytes]) -> list[bytes]:
        return [der if each == stand else each for each in attributes]

    assert verify(by_hand(more=(stand,))) == INN
    signature = by_hand(more=(stand,), signed=lambda attributes: in_order(sorted(attributes)))
    assert by_openssl(tmp_path, signature)
    assert verify(signature) == INN
    signature = by_hand(more=(stand,), sent=backwards, signed=lambda attributes: sorted(in_order(attributes)))
    assert verify(signature) == INN
    assert verify(signature, b"another") == "wrong-bytes"


def test_digests_in_another_order(tmp_path: Path):
    signature = by_hand(digests=SHA512 + SHA256)
    assert by_openssl(tmp_path, signature)
    assert verify(signature) == INN


def test_an_attribute_that_is_there_twice_is_told():
    twice = attribute("1.2.840.113549.1.9.4", tlv(OCTETS, hashlib.sha256(CONTENT).digest()))
    code, message = refused(by_hand(more=(twice,)))
    assert code == "malformed"
    assert "дважды" in message


# What stands beside the certificate


@pytest.mark.parametrize("tag", [b"\xa0", b"\xa1", b"\xa2", b"\xa3"])
@pytest.mark.parametrize("first", [True, False])
def test_certificates_of_other_kinds_are_passed_over(tmp_path: Path, tag: bytes, first: bool):
    der = CLERK.certificate.public_bytes(Encoding.DER)
    other = tlv(tag, b"" if tag != b"\xa3" else oid("1.2.3") + tlv(NULL, b""))
    signature = by_hand(certificates=other + der if first else der + other)
    assert verify(signature) == INN
    assert tag != b"\xa2" or by_openssl(tmp_path, signature)
    assert refused(by_hand(certificates=other))[0] == "no-certificate"


def test_a_certificate_beside_that_can_not_be_read_is_passed_over():
    der = CLERK.certificate.public_bytes(Encoding.DER)
    assert verify(by_hand(certificates=tlv(SEQUENCE, ONE) + der)) == INN
    code, message = refused(by_hand(certificates=tlv(SEQUENCE, ONE)))
    assert code == "no-certificate"
    assert f"{CLERK.certificate.serial_number:X}" in message


# Odd certificates


def certificate(
    *extensions: tuple[str, bytes, bool],
    issuer: Holder = ROOT,
    key=RSA_KEY,
    ca: bool = False,
    name: x509.NameAttribute | None = None,
) -> x509.Certificate:
    names = [name or x509.NameAttribute(NameOID.COMMON_NAME, "ООО «Союз»")]
    if not ca:
        names.append(x509.NameAttribute(INN_ORGANISATION, INN, _ASN1Type.NumericString))
    builder = x509.CertificateBuilder().subject_name(x509.Name(names)).issuer_name(issuer.certificate.subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW - timedelta(days=3)).not_valid_after(NOW + timedelta(days=30))
    builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    for type_, value, critical in extensions:
        builder = builder.add_extension(x509.UnrecognizedExtension(ObjectIdentifier(type_), value), critical)
    return builder.sign(issuer.key, hashes.SHA256())


def notice(text: bytes, tag: bytes = b"\x1a") -> bytes:
    """Certificate policies with a notice to the user."""
    said = tlv(SEQUENCE, oid("1.3.6.1.5.5.7.2.2") + tlv(SEQUENCE, tlv(tag, text)))
    return tlv(SEQUENCE, tlv(SEQUENCE, oid("1.2.643.100.113.1") + tlv(SEQUENCE, said)))


POLICIES, ALTERNATIVE_NAME = "2.5.29.32", "2.5.29.17"
RUSSIAN = "Квалифицированный"
ODD = {
    "windows-1251": (POLICIES, notice(RUSSIAN.encode("cp1251")), False),
    "utf-8 in VisibleString": (POLICIES, notice(RUSSIAN.encode()), False),
    "half of a BMPString": (POLICIES, notice(b"\x04", b"\x1e"), False),
    "koi8 in UTF8String": (POLICIES, notice(RUSSIAN.encode("koi8-r"), b"\x0c"), False),
    "no policies at all": (POLICIES, b"\x04\x01a", False),
    "alternative name": (ALTERNATIVE_NAME, tlv(SEQUENCE, tlv(b"\x82", "домен.рф".encode())), False),
    "information access": ("1.3.6.1.5.5.7.1.1", tlv(SEQUENCE, b""), False),
    "of nobody's": ("1.2.3.4.5", b"\xff", False),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_extension_that_nobody_needs_hides_nothing(tmp_path: Path, odd: tuple[str, bytes, bool]):
    signature = by_hand(certificate=certificate(odd))
    assert by_openssl(tmp_path, signature) or odd == ODD["alternative name"]
    assert verify(signature) == INN
    usage = ("2.5.29.15", b"\x03\x02\x05\x20", True)  # for encryption alone
    assert verify(by_hand(certificate=certificate(odd, usage))) == "not-for-signing"


@pytest.mark.parametrize("odd", [ODD["windows-1251"], ODD["no policies at all"]], ids=["notice", "garbage"])
def test_an_odd_extension_of_an_authority_hides_nothing(odd: tuple[str, bytes, bool]):
    class Middle:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = certificate(odd, ca=True, key=key, name=x509.NameAttribute(NameOID.COMMON_NAME, "УЦ"))

    inside = Middle.certificate.public_bytes(Encoding.DER)
    mine = certificate(issuer=Middle)
    signature = by_hand(certificate=mine, certificates=mine.public_bytes(Encoding.DER) + inside)
    assert verify(signature) == INN
    assert verify(signature, verifier=CmsVerifier((Middle.certificate,))) == INN


def test_a_critical_extension_that_nobody_knows_is_named(tmp_path: Path):
    signature = by_hand(certificate=certificate(("1.2.3.4.5", b"\x05\x00", True)))
    assert not by_openssl(tmp_path, signature)
    code, message = refused(signature)
    assert code == "critical-extension"
    assert "1.2.3.4.5" in message


CRITICAL = {
    "policies": (POLICIES, tlv(SEQUENCE, tlv(SEQUENCE, oid("1.2.643.100.113.1"))), True),
    "policies with an odd notice": (POLICIES, notice(RUSSIAN.encode("cp1251")), True),
    "places of lists": ("2.5.29.31", bytes.fromhex("301030 0ea00ca00a8608687474703a2f2f61"), True),
}


@pytest.mark.parametrize("critical", CRITICAL.values(), ids=CRITICAL)
def test_what_openssl_alone_follows_is_followed_by_it(tmp_path: Path, critical: tuple[str, bytes, bool]):
    signature = by_hand(certificate=certificate(critical))
    assert by_openssl(tmp_path, signature)
    assert verify(signature) == INN
    assert verify(signature, b"another") == "wrong-bytes"
    assert verify(signature, verifier=BOTH) == "untrusted"
    empty = RevocationLists(tmp_path)
    assert isinstance(verify(signature, verifier=replace(VERIFIER, revocation=empty)), Unverifiable)
    assert isinstance(verify(signature, verifier=replace(VERIFIER, openssl=None)), Unverifiable)


def named(subject: bytes, serial: int) -> x509.Certificate:
    """A certificate whose subject is these bytes, which no library here would write."""
    plain = certificate()
    tbs = values_in(bytes(asn1.decode_der(asn1.TLV, plain.tbs_certificate_bytes).data))
    parts = [asn1.encode_der(each) for each in tbs]
    parts[1], parts[5] = tlv(INTEGER, bytes((serial,))), subject
    made = tlv(SEQUENCE, b"".join(parts))
    value = ROOT.key.sign(made, ec.ECDSA(hashes.SHA256()))
    return x509.load_der_x509_certificate(tlv(SEQUENCE, made + asn1.encode_der(tbs[2]) + tlv(b"\x03", b"\x00" + value)))


def subject(tag: bytes, text: bytes) -> bytes:
    def part(type_: str, value: bytes) -> bytes:
        return tlv(SET, tlv(SEQUENCE, oid(type_) + value))

    return tlv(
        SEQUENCE, part("2.5.4.3", tlv(tag, text)) + part(INN_ORGANISATION.dotted_string, tlv(b"\x12", INN.encode()))
    )


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (b"\x14", "ООО «Союз»".encode("cp1251")),
        (b"\x16", "ООО «Союз»".encode()),
        (b"\x1e", "ООО «Союз»".encode("utf-16-be")),
    ],
    ids=["T61String", "IA5String", "BMPString"],
)
def test_a_name_in_another_encoding_than_it_says(tmp_path: Path, tag: bytes, text: bytes):
    signature = by_hand(certificate=named(subject(tag, text), 77))
    assert by_openssl(tmp_path, signature)
    found = VERIFIER.verify(CONTENT, signature, NOW)
    assert isinstance(found, Verified), found
    assert (found.signer_inn, found.certificate_subject) == (INN, f"1.2.643.100.4={INN},CN=ООО «Союз»")
    utf8 = named(subject(b"\x0c", "ООО «Союз»".encode("cp1251")), 78)
    assert refused(by_hand(certificate=utf8)) == ("unreadable-certificate", unreadable_certificate(78).reason.message)
    empty = replace(VERIFIER, revocation=RevocationLists(tmp_path))
    assert isinstance(empty.verify(CONTENT, signature, NOW), Unverifiable)


@pytest.mark.parametrize("value", [b"", b"\x03\x01", b"\x04\x01\x80"])
def test_a_usage_that_can_not_be_read_is_told_of_the_certificate(value: bytes):
    odd = certificate(("2.5.29.15", value, True))
    assert refused(by_hand(certificate=odd))[0] == "unreadable-certificate"
    assert f"№ {odd.serial_number:X}" in refused(by_hand(certificate=odd))[1]


def test_a_key_of_another_kind_is_told():
    key = ed25519.Ed25519PrivateKey.generate()
    assert refused(by_hand(certificate=certificate(key=key)))[0] == "algorithm"


# What the signer's clock said


@pytest.mark.parametrize(
    ("time", "found"),
    [
        (tlv(b"\x17", b"261130120005Z"), datetime(2026, 11, 30, 12, 0, 5, tzinfo=UTC)),
        (tlv(b"\x17", b"2611301200Z"), datetime(2026, 11, 30, 12, 0, tzinfo=UTC)),
        (tlv(b"\x17", b"2611301500+0300"), datetime(2026, 11, 30, 12, 0, tzinfo=UTC)),
        (tlv(b"\x17", b"991130120000Z"), datetime(1999, 11, 30, 12, 0, tzinfo=UTC)),
        (tlv(b"\x18", b"202611301200Z"), datetime(2026, 11, 30, 12, 0, tzinfo=UTC)),
        (tlv(b"\x18", b"20261130120000.5Z"), datetime(2026, 11, 30, 12, 0, tzinfo=UTC)),
        (tlv(b"\x17", b"202611301200Z"), NOW),
        (tlv(b"\x17", b"261131120000Z"), NOW),
        (tlv(b"\x17", b"261130"), NOW),
        (tlv(b"\x18", b"00010101000000+1400"), NOW),
        (tlv(b"\x04", b"261130120000Z"), NOW),
    ],
)
def test_the_signers_clock_decides_nothing(time: bytes, found: datetime):
    """A time without seconds is that of the whole minute; one that can't be read is as none."""
    verified = VERIFIER.verify(CONTENT, by_hand(time=time), NOW)
    assert isinstance(verified, Verified)
    assert verified.signed_at == found


# GOST


@needs_gost
def test_gost_signatures_in_ber(gost: Path):
    verifier = CmsVerifier.trusting((gost / "ca.pem").read_bytes())
    now = datetime.now(UTC)
    signature = (gost / "ca.signature").read_bytes()
    how = ("-md", "md_gost12_256", "-signer", "ca.holder.pem", "-inkey", "ca.holder.key", "-outform", "DER", "-stream")
    openssl(gost, "cms", "-engine", "gost", "-sign", "-binary", "-in", "content", *how, "-out", "streamed")
    streamed = (gost / "streamed").read_bytes()
    assert by_openssl(gost, streamed, "-engine", "gost", roots="ca.pem")
    for each in (streamed, loose(signature), signature + b"\r\n", loose(signature, lambda tag, _: tag[0] >= 0xA0)):
        assert verify(each, at=now, verifier=verifier) == INN
        assert verify(each, CONTENT + b" ", at=now, verifier=verifier) == "wrong-bytes"
    impostor = loose((gost / "impostor.signature").read_bytes())
    assert verify(impostor, at=now, verifier=verifier) == "untrusted"


@needs_gost
@pytest.mark.parametrize(("sent", "signed"), [(sorted, sorted), (backwards, backwards), (backwards, sorted)])
def test_gost_attributes_in_another_order(gost: Path, sent: Attributes, signed: Attributes):
    def run(data: bytes, *how: str) -> bytes:
        (gost / "data").write_bytes(data)
        openssl(gost, "dgst", "-engine", "gost", "-md_gost12_256", "-binary", *how, "-out", "done", "data")
        return (gost / "done").read_bytes()

    algorithms = (oid("1.2.643.7.1.1.2.2"), oid("1.2.643.7.1.1.1.1"))
    streebog, key = (tlv(SEQUENCE, each) for each in algorithms)
    signature = by_hand(
        sent=sent,
        signed=signed,
        certificate=x509.load_pem_x509_certificate((gost / "ca.holder.pem").read_bytes()),
        digests=streebog,
        time=tlv(b"\x17", b"2611301200Z"),
        algorithms=(streebog, key),
        digest=run,
        sign=lambda data: run(data, "-sign", "ca.holder.key"),
    )
    verifier = CmsVerifier.trusting((gost / "ca.pem").read_bytes())
    now = datetime.now(UTC)
    assert by_openssl(gost, signature, "-engine", "gost", roots="ca.pem") == (sent is signed)
    assert verify(signature, at=now, verifier=verifier) == INN
    assert verify(signature + b"\n", at=now, verifier=verifier) == INN
    assert verify(signature, CONTENT + b" ", at=now, verifier=verifier) == "wrong-bytes"
    assert verify(signature[:-1] + bytes((signature[-1] ^ 1,)), at=now, verifier=verifier) == "wrong-bytes"


def test_forms_and_stamps_are_told_apart():
    """An attribute that holds no token is no stamp."""
    signature = with_stamp(SIGNER.sign(), tlv(SEQUENCE, ONE))
    found = BOTH.verify(CONTENT, signature, NOW)
    assert isinstance(found, Verified)
    assert found.time_stamped_by is None
    assert TIME_STAMP
