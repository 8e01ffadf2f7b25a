"""Plays counterparties on one machine: an authority of our own, certificates with their INN, answers to what they got.

For trying, developing and testing, as the desk plays manufacturing. The authority's key lies in a folder here, so its
word is worth nothing elsewhere: an installation that works names the roots it trusts (`POSTAVKA_SIGNATURE_ROOTS`).
"""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from cryptography.x509 import NameOID, ObjectIdentifier
from cryptography.x509.name import _ASN1Type
from lxml import etree

from postavka.domain.document_forms.buyer import SellerTitle, buyer_title
from services.documents.operator.interface import TRANSFER
from services.documents.operator.local import LocalOperator

INN_ORGANISATION = ObjectIdentifier("1.2.643.100.4")
INN_PERSON = ObjectIdentifier("1.2.643.3.131.1.1")
YEARS = timedelta(days=3650)
DAYS = timedelta(days=30)


class TrialAuthority:
    """An authority for trials that issues certificates; its root is the file `roots` for `POSTAVKA_SIGNATURE_ROOTS`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.roots = folder / "roots.pem"

    def make(self) -> Path:
        """The root certificate and its key, made once; returns the file of the certificate."""
        if not self.roots.exists():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            key = ec.generate_private_key(ec.SECP256R1())
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Пробный УЦ, не для работы")])
            builder = _builder(name, name, key, YEARS).add_extension(x509.BasicConstraints(True, None), critical=True)
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            descriptor = os.open(self._folder / "key.pem", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(pem)
            beside = self._folder / "roots.pem.new"
            beside.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
            beside.replace(self.roots)
        return self.roots

    def sign(self, content: bytes, inn: str, name: str) -> bytes:
        """A detached signature over `content` by a holder of this INN, in DER; its certificate is made for it."""
        self.make()
        root = x509.load_pem_x509_certificate(self.roots.read_bytes())
        root_key = load_pem_private_key((self._folder / "key.pem").read_bytes(), None)
        assert isinstance(root_key, ec.EllipticCurvePrivateKey)  # noqa: S101 - that is what was written
        key = ec.generate_private_key(ec.SECP256R1())
        oid = INN_ORGANISATION if len(inn) == 10 else INN_PERSON
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, name.encode()[:64].decode(errors="ignore") or inn),
                x509.NameAttribute(oid, inn, _ASN1Type.NumericString),
            ]
        )
        builder = _builder(subject, root.subject, key, DAYS)
        builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
        certificate = builder.sign(root_key, hashes.SHA256())
        options = [PKCS7Options.DetachedSignature, PKCS7Options.Binary]
        return PKCS7SignatureBuilder(content, [(certificate, key, hashes.SHA256(), None)]).sign(Encoding.DER, options)


def trial_authority(home: Path) -> TrialAuthority:
    """The one of this `POSTAVKA_HOME`."""
    return TrialAuthority(home / "authority")


def sign_received(operator: LocalOperator, authority: TrialAuthority, message_id: str) -> None:
    """The recipient of this message signs: a transfer document by a title of its own, anything else as it is."""
    outgoing = operator.find(message_id)
    if outgoing.kind != TRANSFER:
        operator.sign(message_id, authority.sign(outgoing.content, outgoing.to_inn, outgoing.to_inn))
        return
    seller = read_seller_title(outgoing.content)
    theirs = base64.b64encode(outgoing.signature or b"").decode()
    title = buyer_title(seller, theirs, datetime.now(UTC), uuid4())
    operator.sign(message_id, authority.sign(title, seller.buyer_inn, seller.buyer_name), title)


def read_seller_title(data: bytes) -> SellerTitle:
    """What a buyer has to repeat of a seller's title. Raises `ValueError` for anything else."""
    root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
    document, invoice = root.find("Документ"), root.find("Документ/СвСчФакт")
    if document is None or invoice is None:
        raise ValueError("not a seller's title")
    party = invoice.find("СвПокуп/ИдСв")[0]
    person = party.find("ФИО")
    names = " ".join(person.attrib.values()) if person is not None else party.get("НаимОрг", "-")
    return SellerTitle(
        file_id=root.get("ИдФайл", ""),
        day=document.get("ДатаИнфПр", ""),
        time=document.get("ВремИнфПр", ""),
        name=document.get("НаимДокОпр", ""),
        number=invoice.get("НомерДок", ""),
        issued_on=invoice.get("ДатаДок", ""),
        buyer_name=names,
        buyer_inn=party.get("ИННЮЛ") or party.get("ИННФЛ") or "",
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, valid: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + valid)
    )
