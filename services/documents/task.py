"""One document and what is to be done with it next. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from events.model import Delivery
from events.shipping import DocumentKind, ShippingOpened
from postavka.domain.document_forms import upd
from postavka.domain.document_forms.content import DocumentContent, content_of
from postavka.domain.wording import document_file
from services.documents.operator import OutgoingDocument, TakenByOperator
from services.documents.operator.interface import INVOICE, TRANSFER


class DispatchStep(StrEnum):
    """The step of a dispatch that is done in one go. Between any two the process may die: each one repeated does no
    harm."""

    RENDER = "render"
    """Make the rendering; keep it and the bytes issued in the store."""
    REPORT_RENDERING = "report-rendering"
    SEAL = "seal"
    """Sign what goes to the operator, once, and keep the signature."""
    SEND = "send"
    """Hand it to the operator, under a key that makes a repetition harmless."""
    REPORT_DISPATCH = "report-dispatch"


@dataclass(frozen=True, slots=True)
class Task:
    """A row of `open_tasks.sql`."""

    request_id: UUID
    document_id: str
    delivery: Delivery
    form: str
    sha256: str
    content: DocumentContent
    closed: bool
    rendering_sha256: str | None
    """Of the event: on record."""
    made_sha256: str | None
    """Of the work: made, perhaps not on record yet."""
    seal_sha256: str | None
    sent: TakenByOperator | None
    tracking: str | None
    posted: bool
    dispatched: bool
    tries: int
    trace: str | None = None
    """The `traceparent` in which the document was issued: what is reported of it goes on there, however late."""

    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        """The task in a row."""
        invoiced: tuple[Decimal, Decimal] | None = None
        if row["invoiced"] is not None:
            invoiced = (row["invoiced"], row["invoiced_vat_rate"])
        return cls(
            request_id=row["request_id"],
            document_id=row["document_id"],
            delivery=Delivery(row["delivery"]),
            form=row["form"],
            sha256=row["sha256"],
            content=content_from(
                row["facts"], row["kind"], row["number"], row["issued_on"], row["issued_at"], invoiced
            ),
            closed=row["closed"],
            rendering_sha256=row["rendering_sha256"],
            made_sha256=row["made_sha256"],
            seal_sha256=row["seal_sha256"],
            sent=TakenByOperator(row["message"], row["entity"]) if row["message"] is not None else None,
            tracking=row["tracking"],
            posted=row["posted_at"] is not None,
            dispatched=row["dispatched_at"] is not None,
            tries=row["tries"],
            trace=row["trace"],
        )

    @property
    def key(self) -> str:
        """Names the sending of this document for ever."""
        return f"{self.request_id}/{self.document_id}"

    @property
    def is_transfer(self) -> bool:
        """Does its XML go to the operator? Otherwise its rendering does."""
        return self.form == upd.FORM

    def step(self, *, sealed: bool) -> DispatchStep | None:
        """The next step of the task; None: nothing but waiting. `sealed`: what is sent bears our signature."""
        if self.rendering_sha256 is None:
            return DispatchStep.RENDER if self.made_sha256 is None else DispatchStep.REPORT_RENDERING
        if self.dispatched:
            return None
        if self.delivery is Delivery.POST:
            return DispatchStep.REPORT_DISPATCH if self.posted else None
        if self.sent is not None:
            return DispatchStep.REPORT_DISPATCH
        if self.closed:
            return None
        return DispatchStep.SEAL if sealed and self.seal_sha256 is None else DispatchStep.SEND

    def outgoing(self, data: bytes, signature: bytes | None) -> OutgoingDocument:
        """What the operator is given."""
        recipient = self.content.recipient
        return OutgoingDocument(
            key=self.key,
            to_inn=recipient.inn,
            to_kpp=recipient.kpp,
            to_participant=recipient.edo_id,
            kind=TRANSFER if self.is_transfer else INVOICE,
            file_name=f"{upd.file_id(self.content)}.xml" if self.is_transfer else f"{file_stem(self.content)}.pdf",
            content=data,
            signature=signature,
            number=self.content.number,
            issued_on=self.content.issued_on,
            total=self.content.amount,
            vat=self.content.vat,
            wants_signature=self.content.kind is not DocumentKind.INVOICE,
        )


def content_from(
    facts: dict[str, Any],
    kind: str,
    number: str,
    issued_on: date,
    issued_at: datetime | None,
    invoiced: tuple[Decimal, Decimal] | None,
) -> DocumentContent:
    """The document, put together from its rows."""
    return content_of(ShippingOpened.model_validate(facts), DocumentKind(kind), number, issued_on, issued_at, invoiced)


def file_stem(of: DocumentContent) -> str:
    """`Счет 2026-0000001 от 2026-03-01`: what a person saves it as."""
    return f"{document_file(of.kind)} {of.number} от {of.issued_on.isoformat()}"
