"""The documents of a request, from their issue to what comes back of them (L14-L16).

A document is made again from the facts of its sale whenever its bytes are needed, and is the one that was issued only
if the bytes are the same. After closing, a signature is refused (the document is void), but a report that a document
has left is still taken: it says what has happened outside. A signature that was refused may be sent again as it is,
and is taken if it now verifies (a root added to the trusted ones, say); while it doesn't, it gives nothing new.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import replace
from datetime import date, datetime

from events.checks import PERSON_INN
from events.commands import DeclineDocument, ReportDispatch, ReportRendering, SignDocument
from events.model import Decision, Delivery, Reason, Unacceptable
from events.reference import Partner
from events.shipping import (
    DocumentDeclined,
    DocumentDispatched,
    DocumentIssued,
    DocumentKind,
    DocumentRendered,
    DocumentSigned,
    ShippingOpened,
    SignatureRefused,
)
from postavka.domain.document_forms import canonical, upd
from postavka.domain.document_forms.content import DocumentContent, content_of, sha256
from postavka.domain.document_forms.forms import form_of, make
from services.shipping.state import ClosedEarly, Document, Facts, InvoiceOnDocument, Sale, State, Unseen, sale_of
from services.shipping.verification import Claimed, NotVerified, Question, Unverifiable, Verified

SHA256 = re.compile(r"[0-9a-f]{64}")
MAX_SIGNATURES = 20
"""Refused signatures remembered for one document. Further ones go to the dead letters; a good one is always taken."""
MAX_DECLINES = 20
"""Refusals to sign remembered for one document; further ones go to the dead letters."""


def to_verify(state: State, message: SignDocument) -> Question | None:
    """What has to be found out before `decide`: does this signature cover the bytes issued?

    None where the answer does not depend on it (no such document, closed, signed already, not base64), and where this
    release can't make the bytes again: `decide` then finds it unacceptable.
    """
    sale = sale_of(state)
    document = sale.document(message.document_id) if sale else None
    signature = _der(message.signature)
    if sale is None or document is None or signature is None or document.signature or isinstance(state, ClosedEarly):
        return None
    title = _der(message.title) if message.title is not None else None
    if message.title is not None and title is None:
        return None
    try:
        issued = document_content(sale, document)
    except ValueError:
        return None
    file_id = upd.file_id(_content_of(sale, document)) if document.form == upd.FORM else None
    return Question(signature, title, document.form, issued, document.rendered, document.signer_inn, file_id)


def signature_digest(sign: SignDocument) -> str:
    """The SHA-256 that names this signature in events: of its DER, or of the text where that is no base64."""
    der = _der(sign.signature)
    return sha256(sign.signature.encode() if der is None else der)


def document_content(sale: Sale, document: Document) -> bytes:
    """The exact bytes of a document, made again from the facts of its sale.

    Raises `ValueError` if they are not the bytes that were issued: this release has lost a form of documents.
    """
    data = make(document.form, _content_of(sale, document))
    if sha256(data) != document.sha256:
        raise ValueError(f"the bytes made of document {document.id} are not those that were issued")
    return data


def decide(
    state: State, message: SignDocument | DeclineDocument | ReportRendering | ReportDispatch, facts: Facts
) -> Decision:
    """What follows from what somebody has done with a document of the request."""
    sale = sale_of(state)
    document = sale.document(message.document_id) if sale else None
    if document is None:
        return Unacceptable("unknown-document", f"the request has no document {message.document_id!r}")
    match message:
        case SignDocument():
            return _signed(state, document, message, facts)
        case DeclineDocument():
            return _declined(state, document, message)
        case ReportRendering():
            return _rendered(document, message)
        case ReportDispatch():
            return _dispatched(document, message)


def _signed(state: State, document: Document, sign: SignDocument, facts: Facts) -> Decision:
    """A signed document comes back (L16): taken if its counterparty has signed exactly the bytes issued."""
    der = _der(sign.signature)
    digest = signature_digest(sign)
    if digest == document.signature:
        return ()
    reason: Reason
    if isinstance(state, ClosedEarly):
        reason = Reason(code="closed", message="Заявка закрыта, документ недействителен: подписывать его не нужно.")
    elif document.signature is not None:
        reason = Reason(code="already-signed", message="Документ уже подписан.")
    elif der is None or (sign.title is not None and _der(sign.title) is None):
        reason = Reason(code="not-base64", message="Подпись не удалось прочитать: это не Base64.")
    elif facts.signature_taken or any(other.signature == digest for other in _documents(state)):
        reason = Reason(code="reused", message="Эта подпись уже принята под другим документом.")
    else:
        match facts.verification:
            case None:
                return Unacceptable("not-verified", "the signature has not been verified against the bytes issued")
            case Unverifiable():
                return Unacceptable("not-verified", facts.verification.cause)
            case NotVerified():
                reason = facts.verification.reason
            case Claimed(Verified(signer_inn)) if signer_inn != document.signer_inn and not facts.power_of_attorney:
                reason = _other_signer(signer_inn, document.signer_inn)
            case Claimed(verified, form, covers_sha256):
                return (
                    DocumentSigned(
                        document_id=document.id,
                        signer_inn=verified.signer_inn,
                        certificate_serial=verified.certificate_serial,
                        certificate_subject=verified.certificate_subject,
                        signed_at=verified.signed_at,
                        signature_sha256=digest,
                        form=form,
                        covers_sha256=covers_sha256,
                        time_stamped_by=verified.time_stamped_by,
                        power_of_attorney=facts.power_of_attorney,
                    ),
                )
    if digest in document.refused:
        return ()
    if len(document.refused) >= MAX_SIGNATURES:
        return Unacceptable("too-many-signatures", f"over {MAX_SIGNATURES} signatures refused for {document.id!r}")
    return (SignatureRefused(document_id=document.id, reason=reason, signature_sha256=digest),)


def _other_signer(signer_inn: str, wanted: str) -> Reason:
    message = f"Документ подписан ИНН {signer_inn}, а должен быть подписан ИНН {wanted}."
    if len(signer_inn) == PERSON_INN:
        message += (
            " Если сотрудник подписал по машиночитаемой доверенности (МЧД), сообщите нам её номер: действующей "
            "доверенности на него у нас нет. Затем отправьте ту же подпись снова."
        )
    return Reason(code="other-signer", message=message)


def _declined(state: State, document: Document, decline: DeclineDocument) -> Decision:
    """The counterparty will not sign. It ends nothing: the two sides talk, and a signature that comes later counts."""
    if decline.decline_id in document.declines or isinstance(state, ClosedEarly):
        return ()
    if document.signature is not None:
        return Unacceptable("already-signed", f"{document.id!r} has been signed")
    if len(document.declines) >= MAX_DECLINES:
        return Unacceptable("too-many-declines", f"over {MAX_DECLINES} refusals to sign {document.id!r}")
    return (
        DocumentDeclined(
            document_id=document.id,
            decline_id=decline.decline_id,
            reason=decline.reason,
            declined_by=decline.sent_by,
        ),
    )


def _rendered(document: Document, report: ReportRendering) -> Decision:
    """A document has its rendering, once and for all: what people are shown is what they were sent."""
    if not SHA256.fullmatch(report.sha256):
        return Unacceptable("not-a-sha256", f"{report.sha256!r} is no SHA-256 in lower-case hexadecimal")
    if document.rendered is not None:
        if document.rendered == (report.form, report.sha256):
            return ()
        return Unacceptable("other-rendering", f"{document.id!r} has the rendering {document.rendered[1]}")
    return (DocumentRendered(document_id=document.id, form=report.form, sha256=report.sha256),)


def _dispatched(document: Document, report: ReportDispatch) -> Decision:
    """A document has left, once, on the way it was issued for (L15)."""
    if document.delivery is not report.delivery:
        return Unacceptable("other-delivery", f"{document.id!r} goes by {document.delivery}, not {report.delivery}")
    if document.dispatch_id is not None:
        if document.dispatch_id == report.dispatch_id:
            return ()
        return Unacceptable("already-dispatched", f"{document.id!r} has left as {document.dispatch_id!r}")
    return (
        DocumentDispatched(
            document_id=document.id,
            delivery=report.delivery,
            dispatch_id=report.dispatch_id,
            tracking=report.tracking,
        ),
    )


def issue(
    facts: ShippingOpened,
    invoice: InvoiceOnDocument | None,
    kind: DocumentKind,
    number: str,
    issued_on: date,
    now: datetime,
) -> DocumentIssued:
    """A document for the counterparty: a distributor's goes by EDO (L14), a partner's as agreed with it (L15)."""
    recipient = facts.distributor or facts.partner
    content = _content(facts, invoice, kind, number, issued_on, now.replace(microsecond=0))
    form = form_of(content)
    return DocumentIssued(
        document_id=content.document_id,
        kind=kind,
        number=number,
        issued_on=issued_on,
        issued_at=None if form == canonical.FORM else content.issued_at,
        recipient_id=recipient.id,
        signer_inn=recipient.inn,
        delivery=Delivery.EDO if facts.distributor else _agreed(facts.partner, kind),
        form=form,
        sha256=sha256(make(form, content)),
    )


def issue_invoice(facts: ShippingOpened, invoice: InvoiceOnDocument, now: datetime) -> DocumentIssued:
    """The document of billing's invoice."""
    return issue(facts, invoice, DocumentKind.INVOICE, invoice.number, invoice.issued_on, now)


def _agreed(partner: Partner, kind: DocumentKind) -> Delivery:
    """How a document of this kind travels to the partner."""
    by_kind = partner.delivery_by_kind
    match kind:
        case DocumentKind.ACT:
            return by_kind.act or partner.delivery
        case DocumentKind.INVOICE:
            return by_kind.invoice or partner.delivery
        case DocumentKind.SHIPPING:
            return by_kind.shipping or partner.delivery


def _content_of(sale: Sale, document: Document) -> DocumentContent:
    return _content(sale.facts, sale.invoice, document.kind, document.number, document.issued_on, document.issued_at)


def _content(
    facts: ShippingOpened,
    invoice: InvoiceOnDocument | None,
    kind: DocumentKind,
    number: str,
    issued_on: date,
    issued_at: datetime | None,
) -> DocumentContent:
    invoiced = (invoice.amount, invoice.vat_rate) if invoice else None
    return content_of(facts, kind, number, issued_on, issued_at, invoiced)


def _der(signature: str) -> bytes | None:
    """The bytes of the signature; None if the text is not base64 (line breaks are allowed) or is empty."""
    try:
        return base64.b64decode("".join(signature.split()), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _documents(state: State) -> tuple[Document, ...]:
    sale = sale_of(state)
    return sale.documents if sale else ()


OfDocument = DocumentRendered | DocumentDispatched | DocumentSigned | SignatureRefused | DocumentDeclined


def with_document(state: State, event: OfDocument) -> State:
    """The state with one document changed by what has happened to it."""
    if isinstance(state, Unseen) or state.sale is None:
        raise ValueError(f"{event.TYPE} before any document")
    documents = tuple(
        _after(document, event) if document.id == event.document_id else document for document in state.sale.documents
    )
    return replace(state, sale=replace(state.sale, documents=documents))


def _after(document: Document, event: OfDocument) -> Document:
    match event:
        case DocumentRendered():
            return replace(document, rendered=(event.form, event.sha256))
        case DocumentDeclined():
            return replace(document, declines=document.declines | {event.decline_id})
        case DocumentDispatched():
            return replace(document, dispatch_id=event.dispatch_id)
        case DocumentSigned():
            return replace(document, signature=event.signature_sha256)
        case SignatureRefused():
            return replace(document, refused=document.refused | {event.signature_sha256})


def document_of(event: DocumentIssued) -> Document:
    """The document as it was issued."""
    return Document(
        id=event.document_id,
        kind=event.kind,
        number=event.number,
        issued_on=event.issued_on,
        signer_inn=event.signer_inn,
        delivery=event.delivery,
        form=event.form,
        issued_at=event.issued_at,
        sha256=event.sha256,
    )
