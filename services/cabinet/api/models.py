"""What the REST API takes and answers. Sums are strings in roubles, times RFC 3339 in UTC, days 2026-03-16."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from events.checks import INN_PATTERN, KPP_PATTERN, REGISTRATION_NUMBER_PATTERN
from postavka.domain.email_address import checked_address
from postavka.domain.request_rules import LONGEST
from postavka.domain.wording import DOCUMENTS
from services.cabinet.api.rule_messages import rules_speak
from services.cabinet.requests import Row, Status
from services.cabinet.timeline import Group

# As in events.model: no control characters in an id, no NUL in a text.
Id = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\x00]*$")]
Line = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=LONGEST["buyer"], pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s][^\x00-\x1f\x7f]*$"
    ),
]
Inn = Annotated[str, StringConstraints(pattern=f"^({INN_PATTERN})$")]
RegistrationNumber = Annotated[str, StringConstraints(pattern=f"^{REGISTRATION_NUMBER_PATTERN}$")]


class Taken(BaseModel):
    """A body that is sent to us: what it doesn't know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TakenByRules(Taken):
    """A body with fields of a request: what is wrong with them is said by approval's rules, all at once."""

    _by_rules = model_validator(mode="wrap")(rules_speak)


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
    client_email: Annotated[Text, AfterValidator(checked_address)] | None = None
    client_phone: Text | None = None


class Withdrawal(Taken):
    """Take a request back."""

    reason: Text | None = None


class Answer(Taken):
    """A distributor's answer to one request (L17)."""

    accepted: bool = Field(description="true: ready to pay the invoice; false: not")
    note: Text | None = None


class AnswerTo(Answer):
    """The same among many."""

    request_id: UUID


class Answers(Taken):
    """Answers to several requests at once."""

    answers: Annotated[list[AnswerTo], Field(min_length=1, max_length=200)]


class Signature(Taken):
    """A document that comes back signed (L16)."""

    signature: Annotated[
        str, StringConstraints(min_length=4, max_length=200_000, pattern=r"^[A-Za-z0-9+/]+={0,2}$")
    ] = Field(description="Detached CMS signature, DER in base64, over the document's exact bytes or over `title`")
    title: Annotated[str, StringConstraints(max_length=200_000, pattern=r"^[A-Za-z0-9+/]+={0,2}$")] | None = Field(
        None, description="The buyer's title (ON_NSCHFDOPPOK) in base64, if that is what was signed"
    )


class Refusal(Taken):
    """A document that is not signed (L16)."""

    reason: Annotated[
        str, StringConstraints(min_length=1, max_length=2_000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")
    ] = Field(description="What is wrong with it, in Russian: people read it")


class PublicActivation(TakenByRules):
    """The user activates (L19)."""

    registration_number: RegistrationNumber
    code: Id = Field(description="The code of the delivery, as it came with the kit; hyphens and case don't matter")


class CompanyQuestion(TakenByRules):
    """Whose tax number is it? In a body, since a person's number has no place in an address."""

    inn: Inn


class Accepted(BaseModel):
    """Kafka has it; what comes of it is told by the request's timeline and events."""

    request_id: UUID
    message: str


class AcceptedActivation(Accepted):
    """An activation is under way."""

    activation_id: str


class AnswerResult(BaseModel):
    """What became of one of several answers."""

    request_id: UUID
    result: Literal["accepted", "not-found", "not-waiting"]
    message: str


class AnswerResults(BaseModel):
    """In the order of the question."""

    results: list[AnswerResult]


class ReasonOut(BaseModel):
    """Why something was refused."""

    code: str
    message: str
    field: str | None = None


class Kit(BaseModel):
    """Комплект (L18). `code` is shown to the partner alone."""

    number: str
    name: str
    code: str | None = None


class Invoice(BaseModel):
    """Счет на оплату of a direct sale (L15)."""

    number: str
    issued_on: date
    amount: str


class ActivationOut(BaseModel):
    """A service that runs (L19)."""

    activated_at: datetime
    service_from: date
    service_until: date
    contract: str


class DocumentOut(BaseModel):
    """A document of a request (L14-L16)."""

    document_id: str
    kind: str
    title: str
    number: str
    issued_on: date
    recipient_id: str
    yours_to_sign: bool
    delivery: str
    form: str | None
    sha256: str
    pdf: bool
    dispatched_at: datetime | None
    tracking: str | None
    signed_at: datetime | None
    refusals: list[ReasonOut]


class RequestOut(BaseModel):
    """A request as far as its reader may see it."""

    request_id: UUID
    status: Status
    status_title: str
    version: str
    submitted_at: datetime | None
    submitted_by: str | None
    partner_id: str | None
    contact_id: str | None
    distributor_id: str | None
    base_delivery_id: str | None
    registration_number: str | None
    product_id: str | None
    product: str | None
    inn: str | None
    kpp: str | None
    buyer: str | None
    comment: str | None
    client_email: str | None
    client_phone: str | None
    amount: str | None
    reasons: list[ReasonOut]
    permission_number: str | None
    invoice: Invoice | None
    paid: str | None
    due: str | None
    kit: Kit | None
    shipped_on: date | None
    activation: ActivationOut | None
    activation_refusal: ReasonOut | None
    documents: list[DocumentOut]
    can_withdraw: bool

    @classmethod
    def of(cls, row: Row, tenant: str | None) -> RequestOut:
        """`tenant`: the partner or distributor that reads."""
        asked, shipping, billing = row.asked, row.shipping, row.billing
        kit, invoice, refusals = shipping.get("kit"), billing.get("invoice"), row.activation.get("refusals") or ()
        return cls(
            request_id=row.request_id,
            status=row.status,
            status_title=row.status_title,
            version=row.version,
            submitted_at=row.submitted_at,
            submitted_by=asked.get("submitted_by"),
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
            amount=row.amount,
            reasons=[_reason(each) for each in row.approval.get("reasons") or ()],
            permission_number=row.permission_number,
            invoice=None if invoice is None else _invoice(invoice),
            paid=billing.get("paid"),
            due=billing.get("due"),
            kit=None if kit is None else Kit(number=kit["number"], name=kit["name"], code=kit.get("code")),
            shipped_on=shipping.get("shipped_on"),
            activation=_activation(row.activation),
            activation_refusal=_reason(refusals[-1]["reason"]) if refusals and row.status != "activated" else None,
            documents=documents_of(row, tenant),
            can_withdraw=row.can_withdraw,
        )


class RequestPage(BaseModel):
    """A page of a list, the newest first. `next` goes into `after`; null at the end."""

    items: list[RequestOut]
    next: str | None


class MomentOut(BaseModel):
    """One line of a timeline."""

    at: datetime
    kind: str
    title: str
    who: str | None
    detail: str | None
    reasons: list[str]
    document_id: str | None
    clause: str | None


class Timeline(BaseModel):
    """What has happened, the earliest first."""

    request_id: UUID
    moments: list[MomentOut]


class RequestCopy(BaseModel):
    """The fields of a request, for a new one; as they were typed, so that some may be wrong."""

    contact_id: str | None
    distributor_id: str | None
    base_delivery_id: str | None
    registration_number: str | None
    product_id: str | None
    inn: str | None
    kpp: str | None
    buyer: str | None
    comment: str | None
    client_email: str | None
    client_phone: str | None


class DocumentList(BaseModel):
    """The documents of a request."""

    items: list[DocumentOut]


class Contact(BaseModel):
    """A contact person of yours (L5)."""

    id: str
    name: str
    email: str | None
    phone: str | None


class Distributor(BaseModel):
    """A distributor (L6)."""

    id: str
    name: str


class BaseDelivery(BaseModel):
    """A main delivery of users (L7)."""

    id: str
    name: str


class Product(BaseModel):
    """A service with one of its periods (L9); `fits` are ids of base deliveries."""

    id: str
    name: str
    service: str
    months: int
    price: str
    vat_rate: str
    fits: list[str]


class Contacts(BaseModel):
    """Yours."""

    items: list[Contact]


class Distributors(BaseModel):
    """All."""

    items: list[Distributor]


class BaseDeliveries(BaseModel):
    """All, or those that a product fits."""

    items: list[BaseDelivery]


class Products(BaseModel):
    """All, or those that fit a base delivery."""

    items: list[Product]


class BranchOut(BaseModel):
    """The head office or a branch with its own KPP."""

    kpp: str
    name: str
    address: str | None
    is_head: bool


class CompanyOut(BaseModel):
    """What the tax service's register says (L10). `standing` warns of a company being wound up."""

    inn: str
    kind: str
    name: str
    standing: str
    branches: list[BranchOut]
    source: str
    as_of: date


class ActivationResult(BaseModel):
    """What came of a user's activation. `accepted`: it is still being looked at; ask again with the same key."""

    state: Literal["activated", "refused", "accepted"]
    message: str
    product: str | None
    service_from: date | None = None
    service_until: date | None = None


class Me(BaseModel):
    """Who asks."""

    name: str
    role: str
    partner_id: str | None
    distributor_id: str | None
    scopes: list[str]


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
            yours_to_sign=document["recipient_id"] == tenant and "signed_at" not in document and not row.has_ended,
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


def _activation(group: Group) -> ActivationOut | None:
    if "activated_at" not in group:
        return None
    return ActivationOut(
        activated_at=group["activated_at"],
        service_from=group["service_from"],
        service_until=group["service_until"],
        contract=group["contract"]["number"],
    )
