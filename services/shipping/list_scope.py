"""The scope of a revocation list (RFC 5280, 5.2; X.509, 7.3).

A list may be a change to another (delta), be for some certificates, some reasons, one of several places of publication,
or other issuers' certificates, and says so in critical extensions. Whom such a list names is revoked; that it does not
name somebody means something only where it speaks for that certificate. The same holds for a list with a critical
extension that nobody here knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat import asn1

from services.shipping.ber import SEQUENCE, values_in
from services.shipping.certificates import CANNOT_BE_READ, Extension, extension_of

DELTA, ISSUING_POINT = "2.5.29.27", "2.5.29.28"
DISTRIBUTION_POINTS, BASIC_CONSTRAINTS = "2.5.29.31", "2.5.29.19"
UNDERSTOOD = frozenset((DELTA, ISSUING_POINT, "2.5.29.18", "2.5.29.20", "2.5.29.35", "2.5.29.46"))
"""With the issuer's other names, the list's number, the key's identifier, the place of the newest changes."""
ENTRIES_UNDERSTOOD = frozenset(("2.5.29.21", "2.5.29.24", "2.5.29.29"))
"""An entry's reason, since when it is invalid, and whose certificate it is."""
IN_BRACKETS = b"\xa0"
"""Tag [0]: a list's extensions, a point's name, the full one among a name's forms."""
POINT, ONLY_USERS, ONLY_AUTHORITIES, SOME_REASONS, INDIRECT, ONLY_ATTRIBUTES = b"\xa0\x81\x82\x83\x84\x85"
"""Tags of an issuing distribution point's parts."""
CRITICAL = b"\x01\x01\xff"
"""`critical`, in DER."""
E = TypeVar("E", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class ListScope:
    """The scope that a list says of itself."""

    is_delta: bool = False
    """It holds the changes since another list."""
    is_indirect: bool = False
    """Its entries may be of other issuers' certificates."""
    is_partial: bool = False
    """It is for some reasons alone, or for attribute certificates, of which there are none here."""
    only_users: bool = False
    only_authorities: bool = False
    points: frozenset[bytes] | None = None
    """It is one of several, published at these places (DER of their names); None: it is the only one."""
    strange: tuple[str, ...] = ()
    """Critical extensions, of the list or its entries, that nobody here knows."""

    def covers(self, certificate: x509.Certificate) -> bool:
        """Is the certificate good if it's not on the list? Raises `ValueError` for one that can't be read."""
        if self.is_delta or self.is_indirect or self.is_partial or self.strange:
            return False
        if self.only_users or self.only_authorities:
            is_authority = _is_authority(certificate)
            if (self.only_users and is_authority) or (self.only_authorities and not is_authority):
                return False
        return self.points is None or not self.points.isdisjoint(_points_of(certificate))


def scope_of(crl: x509.CertificateRevocationList) -> ListScope:
    """What a list says of itself. Raises `ValueError` if its extensions can't be read."""
    parts_of_list = values_in(_content(crl.tbs_certlist_bytes))
    found: dict[str, Extension] = {}
    if parts_of_list[-1].tag_bytes == IN_BRACKETS:
        read = [each.parse(Extension) for each in values_in(_content(bytes(parts_of_list.pop().data)))]
        found = {extension.id.dotted_string: extension for extension in read}
        if len(found) != len(read):
            raise ValueError("an extension is there twice")
    strange = {oid for oid, extension in found.items() if extension.critical and oid not in UNDERSTOOD}
    if any(CRITICAL in asn1.encode_der(each) for each in parts_of_list):
        strange |= _strange_in_entries(crl)
    point = found.get(ISSUING_POINT)
    parts = {each.tag_bytes[0]: each for each in values_in(_content(point.value))} if point is not None else {}
    true = {tag for tag, each in parts.items() if any(bytes(each.data))}
    return ListScope(
        is_delta=DELTA in found,
        is_indirect=INDIRECT in true,
        is_partial=SOME_REASONS in parts or ONLY_ATTRIBUTES in true,
        only_users=ONLY_USERS in true,
        only_authorities=ONLY_AUTHORITIES in true,
        points=_names_in(parts[POINT]) if POINT in parts else None,
        strange=tuple(sorted(strange)),
    )


def issuer_name(crl: x509.CertificateRevocationList) -> bytes:
    """The name of the list's issuer in DER, as it stands."""
    parts = values_in(_content(crl.tbs_certlist_bytes))
    has_version = parts[0].tag_bytes != SEQUENCE
    return asn1.encode_der(parts[2 if has_version else 1])


def entry_for(
    certificate: x509.Certificate, crl: x509.CertificateRevocationList, scope: ListScope
) -> x509.RevokedCertificate | None:
    """Where a list of the certificate's issuer names it; None: it doesn't.

    In a list that is indirect an entry, and those after it, may be of another issuer's certificate of the same number.
    In a delta list an entry may say that a certificate is no longer on hold: that isn't believed before the next full
    list.
    """
    if not scope.is_indirect:
        entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    else:
        entry, issuer = None, crl.issuer
        for each in crl:
            issuer = _issuer_in(each) or issuer
            if each.serial_number == certificate.serial_number and issuer == crl.issuer:
                entry = each
    return None if entry is None or _is_release(entry) else entry


def since(entry: x509.RevokedCertificate) -> datetime:
    """The moment since when the certificate doesn't hold, as far as the list says."""
    known = _extension(entry, x509.InvalidityDate)
    return entry.revocation_date_utc if known is None else min(known.invalidity_date_utc, entry.revocation_date_utc)


def _content(der: bytes) -> bytes:
    return bytes(asn1.decode_der(asn1.TLV, der).data)


def _names_in(point: asn1.TLV) -> frozenset[bytes]:
    """The full names of a point; none if it is named relative to the issuer, which nobody here follows."""
    forms = values_in(bytes(point.data))
    return frozenset(
        asn1.encode_der(name) for form in forms if form.tag_bytes == IN_BRACKETS for name in values_in(bytes(form.data))
    )


def _points_of(certificate: x509.Certificate) -> frozenset[bytes]:
    """Where the certificate says that its issuer's lists are published."""
    extension = extension_of(certificate, DISTRIBUTION_POINTS)
    found: set[bytes] = set()
    for point in values_in(_content(extension.value)) if extension is not None else []:
        for part in values_in(bytes(point.data)):
            if part.tag_bytes == IN_BRACKETS:
                found |= _names_in(part)
    return frozenset(found)


def _is_authority(certificate: x509.Certificate) -> bool:
    extension = extension_of(certificate, BASIC_CONSTRAINTS)
    return extension is not None and asn1.encode_der(True) in [
        asn1.encode_der(each) for each in values_in(_content(extension.value))
    ]


def _strange_in_entries(crl: x509.CertificateRevocationList) -> set[str]:
    """What entries call critical and nobody here knows: the list is not to be used then (RFC 5280, 5.3)."""
    found: set[str] = set()
    for entry in crl:
        try:
            critical = {each.oid.dotted_string for each in entry.extensions if each.critical}
        except CANNOT_BE_READ:
            critical = {"an entry's extensions can't be read"}
        found |= critical - ENTRIES_UNDERSTOOD
    return found


def _extension(entry: x509.RevokedCertificate, kind: type[E]) -> E | None:
    """An extension of a list's entry; None as well where the entry's extensions can't be read: it names a certificate
    all the same."""
    try:
        return entry.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, *CANNOT_BE_READ):
        return None


def _issuer_in(entry: x509.RevokedCertificate) -> x509.Name | None:
    known = _extension(entry, x509.CertificateIssuer)
    names = known.get_values_for_type(x509.DirectoryName) if known is not None else []
    return names[0] if names else None


def _is_release(entry: x509.RevokedCertificate) -> bool:
    known = _extension(entry, x509.CRLReason)
    return known is not None and known.reason is x509.ReasonFlags.remove_from_crl
