"""The check of a signature, from a question of the decider to its answer: which bytes does the signature cover, if any?
(L16)

A signature may cover what was issued, its rendering, or, as operators exchange it, the buyer's title that answers it.
"""

from __future__ import annotations

from datetime import datetime

from events.model import Reason
from postavka.domain.document_forms import buyer
from postavka.domain.document_forms.content import sha256
from postavka.kernel.blobs import BlobMissing, Blobs, BlobsAway
from services.shipping.cms import WRONG_BYTES
from services.shipping.titles import read_buyer_title
from services.shipping.verification import Claimed, NotVerified, Question, Unverifiable, Verified, Verifier


def check(question: Question, verifier: Verifier, blobs: Blobs, at: datetime) -> Claimed | NotVerified | Unverifiable:
    """The answer, at the moment `at` (with a zone). Raises nothing for what a sender can send."""
    if question.title is not None:
        wrong = _mismatch(question.title, question.file_id)
        if wrong is not None:
            return NotVerified(wrong)
        return _covers(question, buyer.FORM, question.title, verifier, at)
    found = _covers(question, question.form, question.issued, verifier, at)
    if not (isinstance(found, NotVerified) and found.reason.code == WRONG_BYTES) or question.rendered is None:
        return found
    form, name = question.rendered
    try:
        rendering = blobs.get(name)
    except BlobMissing:
        return found
    except BlobsAway as away:
        return Unverifiable(str(away))
    return _covers(question, form, rendering, verifier, at)


def _covers(
    question: Question, form: str, data: bytes, verifier: Verifier, at: datetime
) -> Claimed | NotVerified | Unverifiable:
    found = verifier.verify(data, question.signature, at)
    return Claimed(found, form, sha256(data)) if isinstance(found, Verified) else found


def _mismatch(title: bytes, file_id: str | None) -> Reason | None:
    """Why this title is no acceptance of the document; None if it is one."""
    try:
        answer = read_buyer_title(title)
    except ValueError as wrong:
        return Reason(code="not-a-title", message=f"Титул покупателя не прочитан: {wrong}"[:500])
    if answer.answers != file_id:
        return Reason(code="other-document", message="Титул покупателя составлен к другому документу.")
    if answer.outcome != buyer.ACCEPTED:
        return Reason(
            code="not-accepted",
            message="В титуле покупателя документ принят с расхождениями или не принят. Нужна приемка без расхождений.",
        )
    return None
