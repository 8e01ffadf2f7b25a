"""What shipping knows of a request: the states of its decider, and its facts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from events.model import Delivery
from events.shipping import (
    DocumentKind,
    ShippingClosure,
    ShippingOpened,
    Vendor,
)
from services.shipping.verification import Claimed, NotVerified, Unverifiable


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that the stage has to know beside the message."""

    today: date
    """The day in Moscow: documents issued and shipments made now bear it."""
    permission_number: str
    """A fresh one (`services.shipping.permission`); used up only if `PermissionIssued` follows."""
    vendor: Vendor
    """The vendor as its documents name it, from the settings."""
    now: datetime
    """UTC; documents issued now say when they were drawn up."""
    verification: Claimed | NotVerified | Unverifiable | None = None
    """Of a `SignDocument`: what was found out about what `to_verify` asks."""
    power_of_attorney: str | None = None
    """Of a `SignDocument`: the number of the one by which its signer signs for the counterparty."""
    signature_taken: bool = False
    """Of a `SignDocument`: the very same signature was taken for another request."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The distributor is ready to pay: what opens the gate of a sale through a distributor."""

    distributor_id: str
    confirmation_id: str


@dataclass(frozen=True, slots=True)
class FullyPaid:
    """Nothing is due for the invoice: what opens the gate of a direct sale."""

    invoice_number: str
    payment_id: str


Grounds = Confirmed | FullyPaid


@dataclass(frozen=True, slots=True)
class InvoiceOnDocument:
    """Billing's invoice, as its document needs it."""

    number: str
    issued_on: date
    amount: Decimal
    vat_rate: Decimal


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was issued, and what came back of it."""

    id: str
    kind: DocumentKind
    number: str
    issued_on: date
    signer_inn: str
    delivery: Delivery
    form: str
    issued_at: datetime | None
    sha256: str
    rendered: tuple[str, str] | None = None
    """Form and sha256 of the rendering for people."""
    dispatch_id: str | None = None
    signature: str | None = None
    """sha256 of the one that was taken."""
    refused: frozenset[str] = frozenset()
    """sha256 of those that were not."""
    declines: frozenset[str] = frozenset()
    """Ids of the counterparty's refusals to sign."""


@dataclass(frozen=True, slots=True)
class Sale:
    """The state of an approved request: its facts, its documents and its invoice, if there is one."""

    facts: ShippingOpened
    documents: tuple[Document, ...] = ()
    invoice: InvoiceOnDocument | None = None

    def document(self, document_id: str) -> Document | None:
        """The document of that id, if it is this request's."""
        return next((document for document in self.documents if document.id == document_id), None)


@dataclass(frozen=True, slots=True)
class Unseen:
    """The state before the approval; what billing has said of it already."""

    bases: tuple[Grounds, ...] = ()
    invoice: InvoiceOnDocument | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Permission and documents are out; the gate is shut."""

    sale: Sale


@dataclass(frozen=True, slots=True)
class Ordered:
    """The state after manufacturing is ordered; the kit is awaited."""

    sale: Sale
    withdrawal_refused: bool = False


@dataclass(frozen=True, slots=True)
class Shipped:
    """The delivery is sold."""

    sale: Sale
    kit_number: str
    withdrawal_refused: bool = False


@dataclass(frozen=True, slots=True)
class ClosedEarly:
    """Withdrawn or declined before manufacturing was ordered. `sale` is None if that came before the approval."""

    sale: Sale | None
    reason: ShippingClosure


State = Unseen | Waiting | Ordered | Shipped | ClosedEarly


def sale_of(state: State) -> Sale | None:
    """The approved request; None before the approval, and where that was never read."""
    return None if isinstance(state, Unseen) else state.sale
