"""What the REST API answers about many requests in one call."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.cabinet.requests import Status


class BulkErrorOut(BaseModel):
    """What is wrong with a row."""

    field: str | None = Field(description="Of the request; null: the row as a whole")
    message: str = Field(description="For people, in Russian")


class BulkRowOut(BaseModel):
    """One of many requests."""

    row: int = Field(description="Its place in the call, from 0")
    request_id: UUID = Field(description="Of the request that it becomes")
    state: Literal["ready", "wrong", "sent", "already"] = Field(
        description="`ready`: it can be sent, or is about to be; `wrong`: it is not sent; `already`: it was sent before"
    )
    errors: list[BulkErrorOut] = Field(description="Everything that is wrong, by the rules of a single request")
    status: Status | None = Field(description="Of the request, once it is in the cabinet")


class BulkOut(BaseModel):
    """Many requests that came in one call; kept for 30 days."""

    bulk_id: UUID = Field(description="Of this call")
    state: Literal["checked", "waiting", "sent", "refused", "undone"] = Field(
        description="`checked`: a dry run; `waiting`: being sent; the others: over"
    )
    ready: int = Field(description="Rows in this state")
    wrong: int = Field(description="Rows in this state")
    sent: int = Field(description="Rows in this state")
    already: int = Field(description="Rows in this state")
    rows: list[BulkRowOut] = Field(description="In the order of the call")
