"""A client of Diadoc's HTTP API, or of one of its shape: JSON over HTTPS, `PostMessage` and `GetNewEvents`.

A sending carries the document's key as `operationId`: Diadoc answers a repeated one with the result of the first. The
feed of events names what has changed without contents; they are fetched when they matter. What comes from outside is
untrusted: sizes are bounded, and its signatures are checked by shipping, not here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import httpx2
from lxml import etree

from postavka.kernel.process.logs import logger
from services.documents.operator.interface import (
    TRANSFER,
    Declined,
    OperatorAway,
    OperatorEvent,
    OperatorRefuses,
    OutgoingDocument,
    SignedBack,
    TakenByOperator,
)
from services.documents.operator.mailbox import mailbox_of

log = logger(__name__)

SECONDS = 30.0
MAX_CONTENT = 10_000_000
"""Bytes of a title or signature that is taken in."""
MAX_REASON = 2_000
TITLES = frozenset(("UniversalTransferDocumentBuyerTitle", "Title"))
REJECTIONS = frozenset(("XmlSignatureRejection", "SignatureRequestRejection"))
VERSION = "utd970_05_03_01"
FUNCTION = "ДОП"
GONE = (401, 402, 403, 408, 425, 429)
"""Statuses that say something about us or the moment, not about the document: come again."""


class Diadoc:
    """The `ExchangeOperator` Diadoc, over its HTTP interface. `box` is our own mailbox's id; `named`: counterparties'
    (`POSTAVKA_EDO_BOXES`)."""

    _named: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        url: str,
        client_id: str,
        token: str,
        box: str,
        transport: httpx2.BaseTransport | None = None,
        named: Mapping[str, str] | None = None,
    ) -> None:
        self._box = box
        if named:
            self._named = named
        self._boxes: dict[tuple[str | None, str, str | None], str] = {}
        self._http = httpx2.Client(
            base_url=url,
            timeout=SECONDS,
            transport=transport,
            headers={
                "Authorization": f"DiadocAuth ddauth_api_client_id={client_id},ddauth_token={token}",
                "Accept": "application/json",
            },
        )

    def close(self) -> None:
        """Give up the connections."""
        self._http.close()

    def send(self, outgoing: OutgoingDocument) -> TakenByOperator:
        """Send as `ExchangeOperator.send` says."""
        body = {
            "FromBoxId": self._box,
            "ToBoxId": self._box_of(outgoing),
            "DocumentAttachments": [_attachment(outgoing)],
        }
        message = self._call("POST", "/V3/PostMessage", params={"operationId": outgoing.key}, json=body)
        entities = [each for each in message.get("Entities", ()) if each.get("EntityType") == "Attachment"]
        if not entities or not message.get("MessageId"):
            raise OperatorRefuses("the operator's answer names no message or no document")
        return TakenByOperator(str(message["MessageId"]), str(entities[0]["EntityId"]))

    def answers(self, after: str | None) -> Sequence[OperatorEvent]:
        """Read the feed as `ExchangeOperator.answers` says."""
        params = {"boxId": self._box, "messageType": "Letter", "documentDirection": "Outbound", "orderBy": "Ascending"}
        feed = self._call("GET", "/V7/GetNewEvents", params=params | ({"afterIndexKey": after} if after else {}))
        found: list[OperatorEvent] = []
        for event in feed.get("Events", ()):
            # One event may bring several answers; the cursor moves over it with the last of them.
            whats: list[SignedBack | Declined | None] = [*self._whats(event)] or [None]
            key = str(event["IndexKey"])
            found += [OperatorEvent(after or "", what) for what in whats[:-1]] + [OperatorEvent(key, whats[-1])]
            after = key
        return found

    def _whats(self, event: Mapping[str, Any]) -> Iterator[SignedBack | Declined]:
        """What an event says about documents of ours."""
        patch = event.get("Patch")
        if not patch:
            return
        message_id = str(patch["MessageId"])
        entities = patch.get("Entities") or []
        by_id = {str(each.get("EntityId")): each for each in entities}
        for entity in entities:
            try:
                yield from self._what(str(event["EventId"]), message_id, entity, by_id)
            except OperatorRefuses as lost:  # its content is gone or too large: the feed goes on
                log.error("an answer can't be read", message=message_id, why=str(lost)[:300])

    def _what(
        self, event_id: str, message_id: str, entity: Mapping[str, Any], by_id: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[SignedBack | Declined]:
        parent = entity.get("ParentEntityId")
        if not parent:
            return
        if entity.get("AttachmentType") in REJECTIONS and entity.get("EntityType") == "Attachment":
            reason = _reason(self._content(message_id, entity))
            signer = str(entity.get("SignerBoxId") or "counterparty")
            yield Declined(TakenByOperator(message_id, str(parent)), event_id, reason, signer)
        elif entity.get("EntityType") == "Signature" and entity.get("SignerBoxId") != self._box:
            signed = by_id.get(str(parent))
            if signed is None:  # under a document of an earlier event: ours
                yield self._signed(message_id, str(parent), entity, None)
            elif signed.get("AttachmentType") in TITLES and signed.get("ParentEntityId"):
                title = self._content(message_id, signed)
                yield self._signed(message_id, str(signed["ParentEntityId"]), entity, title)

    def _signed(self, message_id: str, document: str, entity: Mapping[str, Any], title: bytes | None) -> SignedBack:
        signature = self._content(message_id, entity)
        return SignedBack(
            TakenByOperator(message_id, document), signature, title, str(entity.get("SignerBoxId") or "counterparty")
        )

    def _content(self, message_id: str, entity: Mapping[str, Any]) -> bytes:
        """Inside the event, or fetched."""
        inline = (entity.get("Content") or {}).get("Data")
        if inline:
            return base64.b64decode(inline)
        params = {"boxId": self._box, "messageId": message_id, "entityId": str(entity["EntityId"])}
        content = self._ask("GET", "/V4/GetEntityContent", params=params).content
        if len(content) > MAX_CONTENT:
            raise OperatorRefuses(f"an entity of {len(content)} bytes")
        return content

    def _box_of(self, outgoing: OutgoingDocument) -> str:
        """The mailbox of the counterparty: as the settings name it, else by its participant id, else by INN and KPP."""
        who = (outgoing.to_participant, outgoing.to_inn, outgoing.to_kpp)
        if who not in self._boxes:
            self._boxes[who] = self._named_box(outgoing) or mailbox_of(outgoing, self._organizations(outgoing))
        return self._boxes[who]

    def _named_box(self, outgoing: OutgoingDocument) -> str | None:
        of_branch = f"{outgoing.to_inn}/{outgoing.to_kpp}" if outgoing.to_kpp else outgoing.to_inn
        return self._named.get(outgoing.to_participant or "") or self._named.get(of_branch)

    def _organizations(self, outgoing: OutgoingDocument) -> Sequence[Mapping[str, Any]]:
        """The organisations that may be meant. Asked for a branch that it doesn't know, Diadoc names the head office;
        asked for an INN that several have, it says "not found", and names them in another answer."""
        if outgoing.to_participant:
            return [self._call("GET", "/GetOrganization", params={"fnsParticipantId": outgoing.to_participant})]
        params = {"inn": outgoing.to_inn} | ({"kpp": outgoing.to_kpp} if outgoing.to_kpp else {})
        try:
            return [self._call("GET", "/GetOrganization", params=params)]
        except OperatorRefuses:
            found = self._call("GET", "/GetOrganizationsByInnKpp", params=params).get("Organizations")
            return [each for each in found or () if isinstance(each, dict)]

    def _call(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        answer = self._ask(method, path, **how)
        try:
            decoded = answer.json()
        except ValueError:
            raise OperatorAway(f"{path}: the answer is no JSON") from None
        if not isinstance(decoded, dict):
            raise OperatorAway(f"{path}: the answer is no object")
        return decoded

    def _ask(self, method: str, path: str, **how: Any) -> httpx2.Response:
        try:
            answer = self._http.request(method, path, **how)
        except httpx2.HTTPError as error:
            raise OperatorAway(f"{path}: {type(error).__name__}") from None
        if answer.status_code == 200:
            return answer
        trouble = f"{path}: {answer.status_code} {' '.join(answer.text.split())[:300]}"
        if answer.status_code in GONE or answer.status_code == 204 or answer.status_code >= 500:
            raise OperatorAway(trouble)
        raise OperatorRefuses(trouble)


def _attachment(outgoing: OutgoingDocument) -> dict[str, Any]:
    signed: dict[str, Any] = {"Content": base64.b64encode(outgoing.content).decode()}
    if outgoing.signature is not None:
        signed["Signature"] = base64.b64encode(outgoing.signature).decode()
    attachment: dict[str, Any] = {
        "TypeNamedId": outgoing.kind,
        "SignedContent": signed,
        "NeedRecipientSignature": outgoing.wants_signature,
        "CustomDocumentId": outgoing.key,
    }
    if outgoing.kind == TRANSFER:
        return attachment | {"Function": FUNCTION, "Version": VERSION}
    metadata = {
        "FileName": outgoing.file_name,
        "DocumentNumber": outgoing.number,
        "DocumentDate": f"{outgoing.issued_on:%d.%m.%Y}",
        "TotalSum": f"{outgoing.total:.2f}",
        "TotalVat": f"{outgoing.vat:.2f}",
    }
    return attachment | {"Metadata": [{"Key": key, "Value": value} for key, value in metadata.items()]}


def _reason(content: bytes) -> str:
    """The reason of a refusal: the text of a formal notice, or what somebody has typed."""
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        root = etree.fromstring(content, parser)
        decoded = " ".join(root.xpath("string(//ТекстУведУточ)").split())
    except (etree.XMLSyntaxError, ValueError):
        decoded = " ".join(content.decode("utf-8", "replace").replace("\x00", " ").split())
    return decoded[:MAX_REASON] or "без объяснения"
