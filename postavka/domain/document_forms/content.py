"""The content of a document, whatever form its bytes have: act, invoice, shipping documents (L14, L15)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

from events.model import Channel
from events.reference import BaseDelivery, Client, Distributor, Partner, Product
from events.shipping import DocumentKind, ShippingOpened, Vendor

KOPECK = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class DocumentContent:
    """Everything a document says. `recipient` is the counterparty that signs: the distributor, or in a direct sale the
    partner (L16). Sums are in roubles, with `vat_rate` per cent of VAT included."""

    kind: DocumentKind
    number: str
    issued_on: date
    procedure: str
    channel: Channel
    permission_number: str
    vendor: Vendor
    recipient: Distributor | Partner
    partner: Partner
    client: Client
    base_delivery: BaseDelivery
    registration_number: str
    product: Product
    amount: Decimal
    vat_rate: Decimal
    issued_at: datetime | None = None
    """When the bytes are drawn up, UTC; a form that does not say it has none."""

    @property
    def document_id(self) -> str:
        """What the events call this document."""
        return f"{self.kind.value}-{self.number}"

    @property
    def vat(self) -> Decimal:
        """The VAT inside `amount`."""
        return vat_included(self.amount, self.vat_rate)


def sha256(data: bytes) -> str:
    """The SHA-256 of `data` in lower-case hexadecimal, as events write it."""
    return hashlib.sha256(data).hexdigest()


def vat_included(amount: Decimal, vat_rate: Decimal) -> Decimal:
    """The VAT inside `amount` (roubles) at `vat_rate` per cent, to the kopeck, half a kopeck up."""
    return (amount * vat_rate / (100 + vat_rate)).quantize(KOPECK, ROUND_HALF_UP)


def content_of(
    sale: ShippingOpened,
    kind: DocumentKind,
    number: str,
    issued_on: date,
    issued_at: datetime | None,
    invoiced: tuple[Decimal, Decimal] | None,
) -> DocumentContent:
    """The document of a sale. `invoiced`: amount and rate of VAT of its invoice, if billing has made one."""
    priced = invoiced if kind is DocumentKind.INVOICE and invoiced else (sale.product.price, sale.product.vat_rate)
    return DocumentContent(
        kind=kind,
        number=number,
        issued_on=issued_on,
        procedure=sale.procedure,
        channel=sale.channel,
        permission_number=sale.permission_number,
        vendor=sale.vendor,
        recipient=sale.distributor or sale.partner,
        partner=sale.partner,
        client=sale.client,
        base_delivery=sale.base_delivery,
        registration_number=sale.registration_number,
        product=sale.product,
        amount=priced[0],
        vat_rate=priced[1],
        issued_at=issued_at,
    )
