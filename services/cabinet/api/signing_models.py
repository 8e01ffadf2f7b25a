"""What the REST API answers about documents to sign, many at once."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.cabinet.api.models import DocumentOut


class WaitingDocument(BaseModel):
    """A document that waits for your signature (L16)."""

    request_id: UUID = Field(description="Of its request")
    document: DocumentOut = Field(description="The document")


class WaitingDocuments(BaseModel):
    """What has waited for the longest stands first."""

    items: list[WaitingDocument] = Field(description="Documents of requests that have not ended")


class SignatureResult(BaseModel):
    """What became of one of several signatures."""

    request_id: UUID = Field(description="Of the document's request")
    document_id: str = Field(description="Of the document")
    result: Literal["accepted", "not-found", "not-waiting"] = Field(
        description="`accepted`: it is verified now; `not-waiting`: the document waits for no signature"
    )
    message: str = Field(description="For people, in Russian")


class SignatureResults(BaseModel):
    """In the order of the call."""

    results: list[SignatureResult] = Field(description="One for each signature")
