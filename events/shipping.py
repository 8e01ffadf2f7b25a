"""Stage `shipping`: permission, documents, manufacturing order, delivery (L14-L18). Topic `shipping.events`."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from events.model import Channel, Delivery, Event, Id, Money, Reason, Text, Value
from events.reference import BaseDelivery, Client, Company, Distributor, Partner, Product


class DocumentKind(StrEnum):
    """Kinds of documents the procedure knows."""

    ACT = "act"
    """Акт приема-передачи"""
    INVOICE = "invoice"
    """Счет на оплату"""
    SHIPPING = "shipping"
    """Документы на отгрузку"""


class Basis(StrEnum):
    """What opened the gate of L17."""

    CONFIRMATION = "confirmation"
    PAYMENT = "payment"


class ShippingClosure(StrEnum):
    """Why shipping of a request ended before manufacturing was ordered."""

    WITHDRAWN = "withdrawn"
    DECLINED = "declined"
    """The distributor will not pay."""


class Signatory(Value):
    """Who signs documents for the vendor by office, without a power of attorney."""

    family_name: Text
    given_name: Text
    patronymic: Text | None = None
    post: Text = "Генеральный директор"


class Vendor(Company):
    """ООО «Софтехно», to whom signed documents are sent (L16), with the account that invoices name."""

    account: Id | None = None
    bank: Text | None = None
    bik: Id | None = None
    correspondent_account: Id | None = None
    signatory: Signatory | None = None
    accountant: Text | None = None
    """The chief accountant as invoices name it: `Петрова А. Б.`"""
    phone: Text | None = None


class ShippingOpened(Event):
    """The approval has been seen. Holds everything that documents, the order and the shipment are made of later."""

    TYPE: ClassVar[str] = "ShippingOpened.v2"

    procedure: Id
    channel: Channel
    permission_number: Id
    vendor: Vendor
    partner: Partner
    distributor: Distributor | None
    base_delivery: BaseDelivery
    registration_number: Id
    product: Product
    client: Client


class ShippingClosed(Event):
    """Withdrawn or declined before manufacturing was ordered: the permission is void, nothing will be made."""

    TYPE: ClassVar[str] = "ShippingClosed.v1"

    reason: ShippingClosure


class BasisHeld(Event):
    """Billing's word that opens the gate (L17), seen before the approval: kept, and taken up when that comes."""

    TYPE: ClassVar[str] = "BasisHeld.v1"

    basis: Basis
    basis_id: Id
    """The confirmation, or the payment that completed the sum."""
    given_by: Id
    """The distributor that confirmed, or the number of the invoice that is paid."""


class InvoiceNoted(Event):
    """Billing's invoice, as the document of it needs it (L15)."""

    TYPE: ClassVar[str] = "InvoiceNoted.v1"

    number: Id
    issued_on: date
    amount: Money
    vat_rate: Decimal
    """Per cent, included in the amount."""


class PermissionIssued(Event):
    """Номер разрешения, told to the partner and, in a sale through a distributor, to it as well (L14, L15)."""

    TYPE: ClassVar[str] = "PermissionIssued.v1"

    number: Id
    partner_id: Id
    distributor_id: Id | None


class DocumentIssued(Event):
    """A document is drawn up and goes to the counterparty, which signs it and sends it back (L14-L16)."""

    TYPE: ClassVar[str] = "DocumentIssued.v2"

    document_id: Id
    kind: DocumentKind
    number: Id
    issued_on: date
    """The date that the document bears."""
    issued_at: datetime | None
    """When its bytes were drawn up; None where they do not say it (`postavka.document/1`)."""
    recipient_id: Id
    signer_inn: Id
    """INN of the counterparty whose signature counts (L16)."""
    delivery: Delivery
    form: Id
    """What the bytes are: `fns.upd-dop.seller/5.03` (the tax service's XML) or `postavka.document/1` (JSON)."""
    sha256: Id
    """Of the exact bytes issued, in hexadecimal: what a signature must cover."""


class DocumentRendered(Event):
    """A document has been made readable for people: what is printed, downloaded, and sent where no XML is."""

    TYPE: ClassVar[str] = "DocumentRendered.v1"

    document_id: Id
    form: Id
    """`pdf/1`"""
    sha256: Id
    """Of the exact bytes of the rendering: a signature may cover them as well."""


class DocumentDispatched(Event):
    """A document has left: handed to the exchange operator, or to the post with its tracking number (L15)."""

    TYPE: ClassVar[str] = "DocumentDispatched.v1"

    document_id: Id
    delivery: Delivery
    dispatch_id: Id
    tracking: Id | None = None


class DocumentSigned(Event):
    """The counterparty has signed and returned it (L16). An obligation, not a gate."""

    TYPE: ClassVar[str] = "DocumentSigned.v3"

    document_id: Id
    signer_inn: Id
    """As the certificate says: the counterparty's own, or that of a person who signs by power of attorney."""
    certificate_serial: Id
    certificate_subject: Text
    signed_at: datetime
    """What the time stamp proves; without one as the signer's clock said, or the moment of the check."""
    signature_sha256: Id
    form: Id
    """What the signature covers: the form issued, `pdf/1`, or the buyer's title (`fns.upd-dop.buyer/5.03`)."""
    covers_sha256: Id | None
    """Of the bytes that the signature covers; None in records of the first version."""
    time_stamped_by: Text | None = None
    """Subject of the time-stamp authority's certificate (RFC 4514); None: `signed_at` is not proven."""
    power_of_attorney: Id | None = None
    """Number of the machine-readable power of attorney (МЧД) by which `signer_inn` acts for the counterparty."""


class DocumentDeclined(Event):
    """The counterparty will not sign it, and says why. It may still sign it later."""

    TYPE: ClassVar[str] = "DocumentDeclined.v1"

    document_id: Id
    decline_id: Id
    """The sender's own number of this answer; the same one twice is one answer."""
    reason: Text
    declined_by: Id


class SignatureRefused(Event):
    """A signed document that can't be taken, and why; it may be sent again (L16)."""

    TYPE: ClassVar[str] = "SignatureRefused.v1"

    document_id: Id
    reason: Reason
    signature_sha256: Id


class ManufacturingOrdered(Event):
    """The order to make the electronic delivery, given only behind the gate of L17."""

    TYPE: ClassVar[str] = "ManufacturingOrdered.v1"

    basis: Basis
    basis_id: Id
    """The confirmation, or the payment that completed the sum."""
    permission_number: Id
    product: Product
    client: Client
    registration_number: Id


class Kit(Value):
    """Комплект: what manufacturing made. `code` is what the user activates with."""

    number: Id
    code: Id
    name: Text


class ShipmentIssued(Event):
    """The delivery is sold: this makes the record in the partner's cabinet, with the kit and the client (L18)."""

    TYPE: ClassVar[str] = "ShipmentIssued.v1"

    channel: Channel
    partner_id: Id
    distributor_id: Id | None
    kit: Kit
    product: Product
    client: Client
    registration_number: Id
    shipped_on: date


class WithdrawalRefused(Event):
    """Withdrawn too late: manufacturing had been ordered. The sale goes on."""

    TYPE: ClassVar[str] = "WithdrawalRefused.v1"

    reason: Reason
