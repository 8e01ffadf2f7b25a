"""What was not renewed, by month (L19): a partner's own services, a distributor's, or all."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from postavka.web.identity.principal import Principal
from postavka.web.state import web
from services.cabinet.api.bodies import DecimalText
from services.cabinet.api.requests import READER, After, Size
from services.cabinet.renewals.ending import Ending, Endings
from services.cabinet.renewals.report import not_renewed_in

router = APIRouter(tags=["requests"])
Month = Annotated[str, Query(pattern=r"^[0-9]{4}-[0-9]{2}$", description="not one to come: `2026-11`")]


class NotRenewed(BaseModel):
    """A service that has ended and that nothing is to prolong."""

    request_id: UUID = Field(description="Of the delivery with which the service began")
    last_day: date = Field(description="Of the service, with all its renewals")
    partner_id: str | None = Field(description="Who has sold it")
    partner: str | None = Field(description="Name")
    distributor: str | None = Field(description="Name; null in a direct sale")
    buyer: str | None = Field(description="Покупатель")
    inn: str | None = Field(description="ИНН of the buyer")
    product: str | None = Field(description="Name")
    registration_number: str | None = Field(description="Рег. номер поставки")
    amount: DecimalText | None = Field(description="Roubles for which it was sold, VAT included")

    @classmethod
    def of(cls, ending: Ending) -> NotRenewed:
        """A service as the report tells it."""
        row = ending.row
        return cls(
            request_id=row.request_id,
            last_day=ending.last_day,
            partner_id=row.partner_id,
            partner=row.partner,
            distributor=row.distributor,
            buyer=row.buyer,
            inn=row.inn,
            product=row.product,
            registration_number=row.approval.get("registration_number") or row.asked.get("registration_number"),
            amount=row.amount,
        )


class NotRenewedPage(BaseModel):
    """A page of the report. `next` goes into `after`; null at the end."""

    month: str = Field(description="As it was asked for")
    items: list[NotRenewed] = Field(description="The earliest last day first")
    next: str | None = Field(description="Send it as `after`; null at the end")


@router.get("/renewals/not-renewed", operation_id="listNotRenewed", summary="What ended in a month and was not renewed")
async def list_not_renewed(
    request: Request, principal: Annotated[Principal, READER], month: Month, after: After = None, limit: Size = 50
) -> NotRenewedPage:
    """As it stands now: a service that was renewed after its end is in no month any more. Of the current month the days
    that are over."""
    period = not_renewed_in(month)
    async with web(request).database.rows(principal) as rows:
        found, going = await Endings(rows, principal).between(period, after, limit, is_open=True)
    return NotRenewedPage(month=month, items=[NotRenewed.of(each) for each in found], next=going or None)
