"""Which revocation lists count for which certificate: deltas, shards, reasons, critical extensions, bad files."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ObjectIdentifier

from services.shipping.ber import SEQUENCE, tlv
from services.shipping.list_survey import Survey, survey
from services.shipping.revocation import RevocationLists
from services.shipping.signatures import INN_ORGANISATION
from services.shipping.verification import NotVerified, Unverifiable, Verified
from tests.services.shipping.loose_ber import loose
from tests.services.shipping.test_signatures import CONTENT, NOW, ROOT, VERIFIER, Holder

INN = {INN_ORGANISATION: "7736050003"}
HERE, THERE = "http://crl.example/1.crl", "http://crl.example/2.crl"
BASE = (x509.DeltaCRLIndicator(10), True)
STRANGE = (x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)


def place(url: str) -> list[x509.GeneralName]:
    return [x509.UniformResourceIdentifier(url)]


def shard(
    url: str | None = None,
    users: bool = False,
    authorities: bool = False,
    reasons: frozenset[x509.ReasonFlags] | None = None,
    indirect: bool = False,
    attributes: bool = False,
) -> tuple[x509.ExtensionType, bool]:
    point = x509.IssuingDistributionPoint(
        place(url) if url else None, None, users, authorities, reasons, indirect, attributes
    )
    return point, True


POINTS = x509.CRLDistributionPoints([x509.DistributionPoint(place(HERE), None, None, None)])
PLAIN = Holder("ООО «Союз»", ROOT, inns=INN)
PLACED = Holder("ООО «Союз»", ROOT, inns=INN, extensions=(POINTS,))
Extensions = tuple[tuple[x509.ExtensionType, bool], ...]


def crl(
    *extensions: tuple[x509.ExtensionType, bool],
    revoked: Holder | None = None,
    days_ago: float = 1,
    ends: float = 5,
    entry: Extensions = (),
    issuer: Holder = ROOT,
) -> x509.CertificateRevocationList:
    """A list of `issuer`, `days_ago` old, that ends in `ends` days; `revoked` was revoked two days ago."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(NOW - timedelta(days=days_ago)).next_update(NOW + timedelta(days=ends))
    if revoked is not None:
        number = x509.RevokedCertificateBuilder().serial_number(revoked.certificate.serial_number)
        number = number.revocation_date(NOW - timedelta(days=2))
        for extension, critical in entry:
            number = number.add_extension(extension, critical)
        builder = builder.add_revoked_certificate(number.build())
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer.key, hashes.SHA256())


def judged(folder: Path, *lists: x509.CertificateRevocationList | bytes, holder: Holder = PLAIN) -> str:
    """`good`, `revoked` or `can't tell`, with these lists in the folder, whatever their order."""
    answers = set()
    for order in (lists, tuple(reversed(lists))):
        for old in folder.iterdir():
            old.unlink()
        for number, each in enumerate(order):
            data = each if isinstance(each, bytes) else each.public_bytes(Encoding.DER)
            (folder / f"{number}.crl").write_bytes(data)
        found = replace(VERIFIER, revocation=RevocationLists(folder)).verify(CONTENT, holder.sign(), NOW)
        match found:
            case Verified():
                answers.add("good")
            case NotVerified(reason):
                answers.add(reason.code)
            case Unverifiable():
                answers.add("can't tell")
    (answer,) = answers
    return answer


def test_the_full_list_decides_beside_a_newer_delta(tmp_path: Path):
    full, older = crl(days_ago=3), crl(revoked=PLAIN, days_ago=3)
    assert judged(tmp_path, full) == "good"
    assert judged(tmp_path, older, crl(BASE)) == "revoked"
    assert judged(tmp_path, crl(BASE)) == "can't tell"
    assert judged(tmp_path, full, crl(BASE)) == "good"
    assert judged(tmp_path, full, crl(BASE, revoked=PLAIN)) == "revoked", "what has changed since counts"
    assert judged(tmp_path, crl(BASE, revoked=PLAIN)) == "revoked"
    assert judged(tmp_path, crl(days_ago=0.5), crl(BASE, revoked=PLAIN)) == "good", "the full one is newer"
    noncritical = (x509.DeltaCRLIndicator(10), False)
    assert judged(tmp_path, older, crl(noncritical)) == "revoked"


def test_a_release_from_hold_waits_for_the_next_full_list(tmp_path: Path):
    released = ((x509.CRLReason(x509.ReasonFlags.remove_from_crl), False),)
    on_hold = ((x509.CRLReason(x509.ReasonFlags.certificate_hold), False),)
    held = crl(revoked=PLAIN, days_ago=3, entry=on_hold)
    assert judged(tmp_path, held) == "revoked"
    assert judged(tmp_path, held, crl(BASE, revoked=PLAIN, entry=released)) == "revoked"
    assert judged(tmp_path, held, crl()) == "good"
    assert judged(tmp_path, crl(days_ago=3), crl(BASE, revoked=PLAIN, entry=released)) == "good"


@pytest.mark.parametrize(
    "part",
    [
        shard(reasons=frozenset({x509.ReasonFlags.key_compromise})),
        shard(authorities=True),
        shard(attributes=True),
        shard(indirect=True),
        shard(THERE),
        shard(THERE, users=True),
        STRANGE,
        (x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4.5"), b"garbage"), True),
    ],
    ids=["reasons", "authorities", "attributes", "indirect", "place", "place and kind", "strange", "garbage"],
)
def test_a_list_for_others_says_nothing_good(tmp_path: Path, part: tuple[x509.ExtensionType, bool]):
    assert judged(tmp_path, crl(part)) == "can't tell"
    assert judged(tmp_path, crl(part), crl(days_ago=3)) == "good"
    assert judged(tmp_path, crl(part), crl(days_ago=3, revoked=PLAIN)) == "revoked"
    assert judged(tmp_path, crl(part, revoked=PLAIN), crl(days_ago=3)) == "revoked", "whom it names is revoked"
    assert judged(tmp_path, crl(part, revoked=PLAIN)) == "revoked"
    assert judged(tmp_path, crl(part), crl(days_ago=9, ends=-1)) == "can't tell"


def test_a_list_of_the_certificates_own_place_counts(tmp_path: Path):
    assert judged(tmp_path, crl(shard(HERE)), holder=PLACED) == "good"
    assert judged(tmp_path, crl(shard(HERE), revoked=PLACED), holder=PLACED) == "revoked"
    assert judged(tmp_path, crl(shard(THERE)), holder=PLACED) == "can't tell"
    assert judged(tmp_path, crl(shard(HERE), revoked=PLACED, days_ago=3), crl(shard(THERE)), holder=PLACED) == "revoked"
    assert judged(tmp_path, crl(shard(HERE)), holder=PLAIN) == "can't tell", "it doesn't say where it is published"
    assert judged(tmp_path, crl(), holder=PLACED) == "good", "a list without a place is for all"
    relative = x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.COMMON_NAME, "1")])
    named = (x509.IssuingDistributionPoint(None, relative, False, False, None, False, False), True)
    assert judged(tmp_path, crl(named), holder=PLACED) == "can't tell"


def test_lists_for_users_and_for_authorities(tmp_path: Path):
    assert judged(tmp_path, crl(shard(users=True))) == "good"
    assert judged(tmp_path, crl(shard(users=True), revoked=PLAIN)) == "revoked"
    middle = Holder("Промежуточный УЦ", ROOT, ca=True)
    holder = Holder("ООО «Союз»", middle, inns=INN)
    verifier = replace(VERIFIER, intermediates=(middle.certificate,), revocation=RevocationLists(tmp_path))

    def check(*lists: x509.CertificateRevocationList) -> object:
        for number, each in enumerate(lists):
            (tmp_path / f"{number}.crl").write_bytes(each.public_bytes(Encoding.PEM))
        return type(verifier.verify(CONTENT, holder.sign(), NOW))

    mine = crl(issuer=middle)
    assert check(mine, crl(shard(users=True))) is Unverifiable
    assert check(mine, crl(shard(authorities=True))) is Verified
    assert check(mine, crl(shard(authorities=True), revoked=middle)) is NotVerified


def test_an_indirect_list_names_others_certificates_too(tmp_path: Path):
    """The same number of another issuer's certificate is another certificate."""
    other = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Другой УЦ")])
    of_other = ((x509.CertificateIssuer([x509.DirectoryName(other)]), True),)
    of_ours = ((x509.CertificateIssuer([x509.DirectoryName(ROOT.certificate.subject)]), True),)
    full = crl(days_ago=3)
    assert judged(tmp_path, full, crl(shard(indirect=True), revoked=PLAIN, entry=of_other)) == "good"
    assert judged(tmp_path, full, crl(shard(indirect=True), revoked=PLAIN, entry=of_ours)) == "revoked"
    assert judged(tmp_path, full, crl(shard(indirect=True), revoked=PLAIN)) == "revoked"


def test_a_strange_entry_makes_the_whole_list_say_nothing_good(tmp_path: Path):
    other = Holder("ООО «Лес»", ROOT, inns=INN)
    assert judged(tmp_path, crl(revoked=other)) == "good"
    assert judged(tmp_path, crl(revoked=other, entry=(STRANGE,))) == "can't tell"
    assert judged(tmp_path, crl(revoked=other, entry=((STRANGE[0], False),))) == "good"
    assert judged(tmp_path, crl(revoked=PLAIN, entry=(STRANGE,))) == "revoked"


def test_what_is_not_critical_may_be_anything(tmp_path: Path):
    odd = (x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.311.21.14"), b"garbage"), False)
    freshest = (x509.FreshestCRL([x509.DistributionPoint(place(THERE), None, None, None)]), False)
    assert judged(tmp_path, crl(odd, freshest, (x509.CRLNumber(7), False))) == "good"


def test_a_list_of_tomorrow_does_not_hide_todays(tmp_path: Path):
    assert judged(tmp_path, crl(), crl(days_ago=-0.1)) == "good"
    assert judged(tmp_path, crl(days_ago=-0.1)) == "can't tell"


def test_a_list_in_ber_or_with_bytes_after(tmp_path: Path):
    der = crl(revoked=PLAIN).public_bytes(Encoding.DER)
    assert judged(tmp_path, der + b"\r\n") == "revoked"
    assert judged(tmp_path, loose(der)) == "revoked"


ODD = ("gone.crl", "folder.crl", "pipe.crl")
OTHER_STRANGE = (x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.5"), b"\x05\x00"), True)


def rewritten(whole: x509.CertificateRevocationList, old: str, new: str) -> bytes:
    """The same list with other bytes (hexadecimal) in one place, signed anew."""
    tbs = whole.tbs_certlist_bytes
    assert tbs.count(bytes.fromhex(old)) == 1
    tbs = tbs.replace(bytes.fromhex(old), bytes.fromhex(new))
    algorithm = tlv(SEQUENCE, asn1.encode_der(whole.signature_algorithm_oid))
    assert isinstance(ROOT.key, ec.EllipticCurvePrivateKey)
    signature = ROOT.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    return tlv(SEQUENCE, tbs + algorithm + tlv(b"\x03", b"\x00" + signature))


def twice(whole: x509.CertificateRevocationList) -> bytes:
    """With `STRANGE` in the place of the other extension."""
    return rewritten(whole, "06032a0305", "06032a0304")


def test_a_list_of_an_unknown_version_stops_nothing(tmp_path: Path):
    bad = rewritten(crl(STRANGE, revoked=PLAIN), "020101300a", "020102300a")
    assert judged(tmp_path, bad) == "can't tell"
    assert judged(tmp_path, bad, crl()) == "good"
    assert [each.why[:18] for each in RevocationLists(tmp_path).found().bad] == ["no revocation list"]


def test_an_extension_that_is_there_twice_stops_nothing(tmp_path: Path):
    bad = twice(crl(STRANGE, OTHER_STRANGE))
    assert judged(tmp_path, bad) == "can't tell"
    assert judged(tmp_path, bad, crl(days_ago=3)) == "good"
    entry = twice(crl(revoked=PLAIN, entry=(STRANGE, OTHER_STRANGE)))
    assert judged(tmp_path, entry) == "revoked", "whom it names is revoked"
    assert judged(tmp_path, entry, crl(days_ago=3)) == "revoked"
    other = Holder("ООО «Лукоморье»", ROOT, inns=INN)
    assert judged(tmp_path, entry, holder=other) == "can't tell"
    assert judged(tmp_path, entry, crl(days_ago=3), holder=other) == "good"


BAD = {"noise.crl": b"noise", "empty.der": b"", "page.pem": b"<html>403 Forbidden</html>"}


def test_a_bad_file_stops_nothing_and_is_named(tmp_path: Path):
    lists = RevocationLists(tmp_path)
    verifier = replace(VERIFIER, revocation=lists)
    (tmp_path / "root.pem").write_bytes(crl().public_bytes(Encoding.PEM) + b"-----BEGIN X509 CRL-----\nAAAA\n")
    for name, content in BAD.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "gone.crl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.crl").mkdir()
    os.mkfifo(tmp_path / "pipe.crl")
    assert isinstance(verifier.verify(CONTENT, PLAIN.sign(), NOW), Verified)
    assert {each.file.name for each in lists.found().bad} == {*BAD, *ODD, "root.pem"}
    (tmp_path / "root.pem").write_bytes(crl(revoked=PLAIN).public_bytes(Encoding.PEM))
    assert isinstance(verifier.verify(CONTENT, PLAIN.sign(), NOW), NotVerified)
    (tmp_path / "root.pem").unlink()
    found = verifier.verify(CONTENT, PLAIN.sign(), NOW)
    assert isinstance(found, Unverifiable)
    assert all(name in found.cause for name in BAD)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path):
    verifier = replace(VERIFIER, revocation=RevocationLists(tmp_path / "lists"))
    found = verifier.verify(CONTENT, PLAIN.sign(), NOW)
    assert isinstance(found, Unverifiable)
    assert "lists" in found.cause


def test_what_is_wrong_with_the_lists_is_surveyed(tmp_path: Path):
    def kept(name: str, each: x509.CertificateRevocationList) -> None:
        (tmp_path / name).write_bytes(each.public_bytes(Encoding.DER))

    kept("good.crl", crl())
    kept("yesterday.crl", crl(days_ago=3, ends=-1))
    lists = RevocationLists(tmp_path)
    assert survey(lists, NOW) == Survey(2, (), (), ())
    assert not any(value for name, value in survey(lists, NOW).details().items() if name != "revocation_lists")
    kept("strange.crl", crl(STRANGE))
    kept("delta.crl", crl(BASE, ends=-0.5))
    (tmp_path / "noise.crl").write_bytes(b"noise")
    found = survey(lists, NOW)
    assert found.usable == 3
    assert [each.partition(":")[0] for each in found.sentences()] == ["noise.crl", "strange.crl"]
    assert "1.2.3.4" in found.sentences()[1]
    assert found.details() == {
        "revocation_lists": 3,
        "revocation_lists_unreadable": "noise.crl",
        "revocation_lists_not_understood": "strange.crl",
        "revocation_lists_ended": None,
    }
    later = survey(lists, NOW + timedelta(days=6))
    assert later.details()["revocation_lists_ended"] == "good.crl, strange.crl"
    assert any(each.startswith("good.crl: ended on ") for each in later.sentences())
