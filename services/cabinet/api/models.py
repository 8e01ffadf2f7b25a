"""What the REST API answers, and the request that it takes. Sums are strings in roubles, times RFC 3339 in UTC, days
2026-03-16."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from events.checks import KPP_PATTERN
from postavka.domain.email_address import checked_address
from postavka.domain.wording import DOCUMENTS
from postavka.web.identity.principal import without_name
from services.cabinet.api.bodies import DecimalText, Id, Inn, Line, RegistrationNumber, TakenByRules, Text
from services.cabinet.requests import Row, Status
from services.cabinet.timeline import Group


class NewRequest(TakenByRules):
    """A purchase request (L4-L12). Whose it is comes from who sends it."""

    contact_id: Id = Field(description="Контакт. лицо: one of your own `contacts` (L5)")
    distributor_id: Id | None = Field(None, description="Дистрибьютор; left out in a direct sale (L6)")
    base_delivery_id: Id = Field(description="Баз. поставка (L7)")
    registration_number: RegistrationNumber = Field(
        description="Рег. номер поставки; that it exists is looked at when the service is activated (L8, L2)"
    )
    product_id: Id = Field(description="Товар: must fit the base delivery (L9)")
    inn: Inn = Field(description="ИНН with right check digits (L10)")
    kpp: Annotated[str, StringConstraints(pattern=f"^{KPP_PATTERN}$")] | None = Field(
        None, description="КПП of an organisation (INN of 10 digits); a sole trader has none (L10)"
    )
    buyer: Line = Field(description="Покупатель (L10)")
    comment: Text | None = Field(None, description="Never required, like the next two (L12)")
    client_email: Annotated[Text, AfterValidator(checked_address)] | None = Field(
        None, description="Of the buyer (L12)"
    )
    client_phone: Text | None = Field(None, description="Of the buyer")
    client_as_typed: bool = Field(
        False,
        description="Send it although the tax register has another name or КПП under this ИНН, or no such ИНН. "
        "Without it such a request is answered with 422, which names the fields and what the register says (L10)",
    )
    renews: UUID | None = Field(
        None,
        description="The sold delivery whose service this one prolongs, whoever sold it: `request_id` of its request. "
        "Counts if both are for the same registration number",
    )

    def fields(self) -> dict[str, str | None]:
        """Gives the fields as `SubmitRequest` has them."""
        own = self.model_dump(exclude={"client_as_typed"})
        return own | {"renews": str(self.renews) if self.renews else None}


class Accepted(BaseModel):
    """Kafka has it; what comes of it is told by the request's timeline and events."""

    request_id: UUID = Field(description="The request that was made or changed")
    message: str = Field(description="For people, in Russian")
    plan_id: UUID | None = Field(None, description="Of a command that is sent later; null: Kafka has it")


class Plan(BaseModel):
    """A command that is sent later, or what became of it."""

    plan_id: UUID = Field(description="Of this plan")
    title: str = Field(description="What is sent, with number and sum, in Russian")
    request_ids: list[str] = Field(description="What it is about")
    not_before: datetime = Field(description="When it is sent")
    state: Literal["waiting", "sent", "refused", "undone"] = Field(
        description="`refused`: it was not possible any more, or who planned it may not any more"
    )
    finished_at: datetime | None = Field(description="When it was sent, refused or undone")
    outcome: str | None = Field(description="What became of it, for people, in Russian")


class PlanPage(BaseModel):
    """What waits first, then the newest; at most 100."""

    items: list[Plan] = Field(description="Plans of the tenant")


class AcceptedActivation(Accepted):
    """An activation is under way."""

    activation_id: str = Field(description="Of this try")


class AnswerResult(BaseModel):
    """What became of one of several answers."""

    request_id: UUID = Field(description="Of the question")
    result: Literal["accepted", "planned", "ready", "not-found", "not-waiting"] = Field(
        description="`planned`: sent at `not_before`; `ready`: of a dry run; `not-waiting`: it waits for no answer"
    )
    message: str = Field(description="For people, in Russian")


class AnswerResults(BaseModel):
    """In the order of the question."""

    results: list[AnswerResult] = Field(description="One for each answer")
    plan_id: UUID | None = Field(None, description="Of the answers that are sent later, all in one plan")


class ReasonOut(BaseModel):
    """Why something was refused."""

    code: str = Field(description="Stable, for programs")
    message: str = Field(description="For people, in Russian")
    field: str | None = Field(None, description="Of the request, if it is about one")


class Kit(BaseModel):
    """Комплект (L18). `code` is shown to the partner alone."""

    number: str = Field(description="Of the kit")
    name: str = Field(description="As it is printed")
    code: str | None = Field(None, description="With which its user activates (L19)")


class Invoice(BaseModel):
    """Счет на оплату of a direct sale (L15)."""

    number: str = Field(description="Of the invoice, to be named in the payment")
    issued_on: date = Field(description="Day in Moscow")
    amount: DecimalText = Field(description="Roubles, VAT included")


class ActivationOut(BaseModel):
    """A service that runs (L19)."""

    activated_at: datetime = Field(description="When, UTC")
    service_from: date = Field(description="First day of the service")
    service_until: date = Field(description="Last day of the service")
    contract: str = Field(description="Number of the 1C:ITS contract")


class DocumentOut(BaseModel):
    """A document of a request (L14-L16)."""

    document_id: str = Field(description="Among the documents of its request")
    kind: str = Field(description="Stable, for programs: `act`, `invoice`, `shipping`")
    title: str = Field(description="Kind in Russian")
    number: str = Field(description="As it stands on the document")
    issued_on: date = Field(description="Day in Moscow")
    recipient_id: str = Field(description="Partner or distributor that it is for")
    yours_to_sign: bool = Field(description="You must sign it and send it back (L16)")
    delivery: str = Field(description="How it travels: `edo` or `post` (L15)")
    form: str | None = Field(description="What its exact bytes are: `fns.upd-dop.seller/5.03`, `postavka.document/1`")
    sha256: str = Field(description="Of the exact bytes, in hexadecimal: what a signature must cover")
    pdf: bool = Field(description="It can be downloaded as PDF")
    dispatched_at: datetime | None = Field(description="When it was sent to its recipient, UTC")
    tracking: str | None = Field(description="Number of the parcel or of the exchange operator")
    signed_at: datetime | None = Field(description="When a signature was taken, UTC")
    refusals: list[ReasonOut] = Field(description="Of signatures that were not taken, the earliest first")


class TermOut(BaseModel):
    """How long a service runs: two deliveries in a row are one term."""

    service_from: date = Field(description="First day")
    service_until: date = Field(description="Last day")
    lapsed: bool = Field(description="The last day is over and nothing has prolonged it")


class RequestOut(BaseModel):
    """A request as far as its reader may see it."""

    request_id: UUID = Field(description="The same as in the call that sent it")
    number: str | None = Field(
        description="What people call it: `2026-000255`; null until the request is recorded. `search` finds it"
    )
    status: Status = Field(description="Stable, for programs")
    status_title: str = Field(description="Status in Russian")
    version: str = Field(description="Changes with every change of the request; the id of its server-sent events")
    submitted_at: datetime | None = Field(description="When it was sent, UTC")
    submitted_by: str | None = Field(description="Who sent it")
    partner_id: str | None = Field(description="Whose request it is (L3)")
    contact_id: str | None = Field(description="Контакт. лицо (L5)")
    distributor_id: str | None = Field(description="Дистрибьютор; null in a direct sale (L6)")
    base_delivery_id: str | None = Field(description="Баз. поставка (L7)")
    registration_number: str | None = Field(description="Рег. номер поставки (L8)")
    product_id: str | None = Field(description="Товар (L9)")
    product: str | None = Field(description="Name of the product")
    inn: str | None = Field(description="ИНН of the client (L10)")
    kpp: str | None = Field(description="КПП of the client; a sole trader has none (L10)")
    buyer: str | None = Field(description="Покупатель (L10)")
    comment: str | None = Field(description="As it was typed (L12)")
    client_email: str | None = Field(description="As it was typed (L12)")
    client_phone: str | None = Field(description="As it was typed (L12)")
    renews: str | None = Field(description="The request whose service this one prolongs")
    amount: DecimalText | None = Field(description="Price in roubles, VAT included; null before the approval")
    reasons: list[ReasonOut] = Field(description="Every shortcoming of a rejected request (L13)")
    permission_number: str | None = Field(description="Of the approved request (L14)")
    invoice: Invoice | None = Field(description="Of a direct sale (L15)")
    paid: DecimalText | None = Field(description="Roubles that have come for the invoice")
    due: DecimalText | None = Field(description="Roubles that are missing")
    kit: Kit | None = Field(description="Комплект, once it is sold (L18)")
    shipped_on: date | None = Field(description="Day of the sale in Moscow (L18)")
    activation: ActivationOut | None = Field(description="The service that runs (L19)")
    term: TermOut | None = Field(description="How long it runs with all its renewals; null for a renewal itself")
    activation_refusal: ReasonOut | None = Field(description="Why the last try to activate failed")
    documents: list[DocumentOut] = Field(description="Those that have been issued, in their order")
    can_withdraw: bool = Field(description="`withdrawRequest` is possible now")

    @classmethod
    def of(cls, row: Row, tenant: str | None) -> RequestOut:
        """`tenant`: the partner or distributor that reads."""
        asked, shipping, billing = row.asked, row.shipping, row.billing
        sender = asked.get("submitted_by")
        kit, invoice, refusals = shipping.get("kit"), billing.get("invoice"), row.activation.get("refusals") or ()
        return cls(
            request_id=row.request_id,
            status=row.status,
            status_title=row.status_title,
            version=row.version,
            submitted_at=row.submitted_at,
            number=row.number,
            submitted_by=sender if tenant in (None, row.partner_id) else without_name(sender),
            partner_id=row.partner_id,
            contact_id=asked.get("contact_id"),
            distributor_id=row.distributor_id,
            base_delivery_id=asked.get("base_delivery_id"),
            registration_number=asked.get("registration_number"),
            product_id=asked.get("product_id"),
            product=row.product,
            inn=row.inn,
            kpp=asked.get("kpp"),
            buyer=row.buyer,
            comment=asked.get("comment"),
            client_email=asked.get("client_email"),
            client_phone=asked.get("client_phone"),
            renews=asked.get("renews"),
            amount=row.amount,
            reasons=[_reason(each) for each in row.approval.get("reasons") or ()],
            permission_number=row.permission_number,
            invoice=None if invoice is None else _invoice(invoice),
            paid=billing.get("paid"),
            due=billing.get("due"),
            kit=None if kit is None else Kit(number=kit["number"], name=kit["name"], code=kit.get("code")),
            shipped_on=shipping.get("shipped_on"),
            activation=_activation(row.activation),
            term=_term(row.term),
            activation_refusal=_reason(refusals[-1]["reason"]) if refusals and row.status != "activated" else None,
            documents=documents_of(row, tenant),
            can_withdraw=row.can_withdraw,
        )


class RequestPage(BaseModel):
    """A page of a list, the newest first. `next` goes into `after`; null at the end."""

    items: list[RequestOut] = Field(description="The newest first")
    next: str | None = Field(description="Send it as `after`; null at the end")


class MomentOut(BaseModel):
    """One line of a timeline."""

    at: datetime = Field(description="When, UTC")
    kind: str = Field(description="Stable, for programs")
    title: str = Field(description="What has happened, in Russian")
    who: str | None = Field(description="Who did it")
    detail: str | None = Field(description="More in words, in Russian")
    reasons: list[str] = Field(description="Why something was refused, in Russian")
    document_id: str | None = Field(description="Of the document that it is about")
    clause: str | None = Field(description="Of the vendor's letter: `L13`")


class Timeline(BaseModel):
    """What has happened, the earliest first."""

    request_id: UUID = Field(description="Of the question")
    moments: list[MomentOut] = Field(description="The earliest first")


class RequestCopy(BaseModel):
    """The fields of a request, for a new one; as they were typed, so that some may be wrong."""

    contact_id: str | None = Field(description="Контакт. лицо (L5)")
    distributor_id: str | None = Field(description="Дистрибьютор (L6)")
    base_delivery_id: str | None = Field(description="Баз. поставка (L7)")
    registration_number: str | None = Field(description="Рег. номер поставки (L8)")
    product_id: str | None = Field(description="Товар (L9)")
    inn: str | None = Field(description="ИНН (L10)")
    kpp: str | None = Field(description="КПП (L10)")
    buyer: str | None = Field(description="Покупатель (L10)")
    comment: str | None = Field(description="Комментарий (L12)")
    client_email: str | None = Field(description="E-mail клиента (L12)")
    client_phone: str | None = Field(description="Телефон клиента (L12)")


class DocumentList(BaseModel):
    """The documents of a request."""

    items: list[DocumentOut] = Field(description="In the order of their issue")


class ActivationResult(BaseModel):
    """What came of a user's activation. `accepted`: it is still being looked at; ask again with the same key."""

    state: Literal["activated", "refused", "accepted"] = Field(description="`accepted`: ask again with the same key")
    message: str = Field(description="For people, in Russian")
    product: str | None = Field(description="What was activated")
    service_from: date | None = Field(None, description="First day of the service")
    service_until: date | None = Field(None, description="Last day of the service")


def documents_of(row: Row, tenant: str | None) -> list[DocumentOut]:
    """The documents that have been issued, in their order."""
    return [
        DocumentOut(
            document_id=document_id,
            kind=document["kind"],
            title=DOCUMENTS.get(document["kind"], document["kind"]),
            number=document["number"],
            issued_on=document["issued_on"],
            recipient_id=document["recipient_id"],
            yours_to_sign=row.is_to_sign(document, tenant),
            delivery=document["delivery"],
            form=document.get("form"),
            sha256=document["sha256"],
            pdf="rendered_sha256" in document,
            dispatched_at=document.get("dispatched_at"),
            tracking=document.get("tracking"),
            signed_at=document.get("signed_at"),
            refusals=[_reason(each["reason"]) for each in document.get("refusals") or ()],
        )
        for document_id, document in row.documents.items()
        if "sha256" in document
    ]


def moment_out(moment: Any) -> MomentOut:
    """A moment of the timeline as it is answered."""
    return MomentOut(
        at=moment.at,
        kind=moment.kind,
        title=moment.title,
        who=moment.who,
        detail=moment.detail,
        reasons=list(moment.reasons),
        document_id=moment.document_id,
        clause=moment.clause,
    )


def _reason(reason: Group) -> ReasonOut:
    return ReasonOut(code=reason["code"], message=reason["message"], field=reason.get("field"))


def _invoice(invoice: Group) -> Invoice:
    return Invoice(number=invoice["number"], issued_on=invoice["issued_on"], amount=invoice["amount"])


def _term(group: Group) -> TermOut | None:
    if not group:
        return None
    return TermOut(
        service_from=group["service_from"], service_until=group["service_until"], lapsed="lapsed_at" in group
    )


def _activation(group: Group) -> ActivationOut | None:
    if "activated_at" not in group:
        return None
    return ActivationOut(
        activated_at=group["activated_at"],
        service_from=group["service_from"],
        service_until=group["service_until"],
        contract=group["contract"]["number"],
    )
