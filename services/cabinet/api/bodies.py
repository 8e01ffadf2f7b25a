"""What the REST API takes. Sums are strings in roubles, times RFC 3339 in UTC, days 2026-03-16."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from events.checks import INN_PATTERN, REGISTRATION_NUMBER_PATTERN
from postavka.domain.request_rules import LONGEST
from postavka.web.problem import RUSSIAN
from postavka.web.spreadsheet.reading import MOST_ROWS
from services.cabinet.api.rule_messages import rules_speak

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
DecimalText = Annotated[str, Field(json_schema_extra={"format": "decimal"})]
"""A decimal number, which no program is to round; generated clients know the format."""


class Taken(BaseModel):
    """A body that is sent to us: what it doesn't know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TakenByRules(Taken):
    """A body with fields of a request: what is wrong with them is said by approval's rules, all at once."""

    _by_rules = model_validator(mode="wrap")(rules_speak)


LONGEST_AHEAD = timedelta(days=366)


class Later(Taken):
    """A command that may be sent later."""

    not_before: AwareDatetime | None = Field(
        None,
        description="Send it at this moment, if that is still possible then; until then it can be undone by its "
        "`plan_id`. Left out, or in the past: at once; at most a year ahead",
    )

    @field_validator("not_before", mode="before")
    @classmethod
    def _only_texts(cls, value: object) -> object:
        """pydantic takes numbers for moments as well, as seconds since 1970: nobody means that."""
        if value is not None and not isinstance(value, (str, datetime)):
            raise PydanticCustomError("datetime_type", "not a moment")
        return value

    @field_validator("not_before")
    @classmethod
    def _within_a_year(cls, value: datetime | None) -> datetime | None:
        """Nobody plans further ahead than the longest service runs."""
        if value is not None and value > datetime.now(UTC) + LONGEST_AHEAD:
            raise PydanticCustomError("too_late", "later than in a year", {RUSSIAN: "Можно не позже чем через год."})
        return value

    @property
    def is_later(self) -> bool:
        """Is it to be sent some time after now?"""
        return self.not_before is not None and self.not_before > datetime.now(UTC)


class ActivationOrder(Later):
    """Activate a delivery (L19)."""


class Withdrawal(Later):
    """Take a request back."""

    reason: Text | None = Field(None, description="Why, in Russian: people read it")


class Verdict(Taken):
    """What a distributor says of a request (L17)."""

    accepted: bool = Field(description="true: ready to pay the invoice; false: not")
    note: Text | None = Field(None, description="Said with the answer, in Russian")


class Answer(Verdict, Later):
    """A distributor's answer to one request (L17)."""


class AnswerTo(Verdict):
    """The same among many."""

    request_id: UUID = Field(description="The request that is answered")


class Answers(Later):
    """Answers to several requests at once."""

    answers: Annotated[list[AnswerTo], Field(min_length=1, max_length=MOST_ROWS, description="One for each request")]
    dry_run: bool = Field(False, description="Only say what would come of each: nothing is sent")


class BulkRequestRow(Taken):
    """A purchase request among many (L4-L12): any text, since what is wrong with it is said row by row."""

    contact_id: Text | None = Field(None, description="Контакт. лицо: one of your own `contacts` (L5)")
    distributor_id: Text | None = Field(None, description="Дистрибьютор; left out in a direct sale (L6)")
    base_delivery_id: Text | None = Field(None, description="Баз. поставка (L7)")
    registration_number: Text | None = Field(None, description="Рег. номер поставки (L8)")
    product_id: Text | None = Field(None, description="Товар: must fit the base delivery (L9)")
    inn: Text | None = Field(None, description="ИНН (L10)")
    kpp: Text | None = Field(None, description="КПП of an organisation (L10)")
    buyer: Text | None = Field(None, description="Покупатель (L10)")
    comment: Text | None = Field(None, description="Never required, like the next two (L12)")
    client_email: Text | None = Field(None, description="Of the buyer (L12)")
    client_phone: Text | None = Field(None, description="Of the buyer")
    client_as_typed: bool = Field(False, description="As of a single request: send it whatever the tax register has")


class BulkRequestOrder(Taken):
    """Many purchase requests in one call."""

    requests: Annotated[list[BulkRequestRow], Field(min_length=1, max_length=MOST_ROWS, description="One a row")]
    dry_run: bool = Field(False, description="Only judge the rows: nothing is sent")


class Signature(Taken):
    """A document that comes back signed (L16)."""

    signature: Annotated[
        str, StringConstraints(min_length=4, max_length=200_000, pattern=r"^[A-Za-z0-9+/]+={0,2}$")
    ] = Field(description="Detached CMS signature, DER in base64, over the document's exact bytes or over `title`")
    title: Annotated[str, StringConstraints(max_length=200_000, pattern=r"^[A-Za-z0-9+/]+={0,2}$")] | None = Field(
        None, description="The buyer's title (ON_NSCHFDOPPOK) in base64, if that is what was signed"
    )


class SignatureOf(Signature):
    """One of several signatures."""

    request_id: UUID = Field(description="Of the document's request")
    document_id: Id = Field(description="Of the document that is signed")


class Signatures(Taken):
    """Documents that come back signed, many at once (L16)."""

    signatures: Annotated[list[SignatureOf], Field(min_length=1, max_length=100, description="One for each document")]


class Refusal(Taken):
    """A document that is not signed (L16)."""

    reason: Annotated[
        str, StringConstraints(min_length=1, max_length=2_000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")
    ] = Field(description="What is wrong with it, in Russian: people read it")


class PublicActivation(TakenByRules):
    """The user activates (L19)."""

    registration_number: RegistrationNumber = Field(description="Рег. номер of the main delivery (L2)")
    code: Id = Field(description="The code of the delivery, as it came with the kit; hyphens and case don't matter")


class CompanyQuestion(TakenByRules):
    """Whose tax number is it? In a body, since a person's number has no place in an address."""

    inn: Inn = Field(description="ИНН with right check digits")
