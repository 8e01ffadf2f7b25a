"""Which bytes a counterparty has signed: those issued, their rendering, or its title in answer; and nothing else (L16).

Certificates and signatures are real ones; so are the documents.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from events.model import Channel
from postavka.domain.document_forms import buyer, upd
from postavka.domain.document_forms.content import sha256
from postavka.domain.document_forms.forms import PDF
from postavka.kernel.blobs import BlobsAway
from postavka.kernel.blobs.folder import FolderBlobs
from services.documents.rendering import render
from services.shipping.checking import check
from services.shipping.verification import Claimed, NotVerified, Question, Unverifiable
from tests.domain.document_forms.test_transfer_documents import ACT, answer
from tests.services.shipping.test_signatures import NOW, ORGANISATION, VERIFIER

XML = upd.seller_title(ACT)
RENDERED = render(ACT)


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    store = FolderBlobs(tmp_path / "blobs")
    store.put(RENDERED)
    return store


def asked(signature: bytes, title: bytes | None = None, rendered: bool = True) -> Question:
    rendering = (PDF, sha256(RENDERED)) if rendered else None
    return Question(signature, title, upd.FORM, XML, rendering, "7736050003", upd.file_id(ACT))


def answered(question: Question, blobs: FolderBlobs) -> tuple[str, str] | str:
    """Form and INN; or the code of the refusal."""
    match check(question, VERIFIER, blobs, NOW):
        case Claimed(verified, form, covers_sha256):
            assert covers_sha256 in {sha256(XML), sha256(RENDERED), sha256(question.title or b"")}
            return form, verified.signer_inn
        case NotVerified(reason):
            return reason.code
        case Unverifiable(cause):
            return cause


def test_the_bytes_issued_or_their_rendering_may_be_signed(blobs: FolderBlobs):
    assert answered(asked(ORGANISATION.sign(XML)), blobs) == (upd.FORM, "7736050003")
    assert answered(asked(ORGANISATION.sign(RENDERED)), blobs) == (PDF, "7736050003")


def test_one_changed_byte_is_refused(blobs: FolderBlobs):
    assert answered(asked(ORGANISATION.sign(XML + b" ")), blobs) == "wrong-bytes"
    assert answered(asked(ORGANISATION.sign(RENDERED[:-1])), blobs) == "wrong-bytes"
    other = upd.seller_title(replace(ACT, number="another"))
    assert answered(asked(ORGANISATION.sign(other)), blobs) == "wrong-bytes"


def test_a_rendering_that_is_not_recorded_can_t_be_signed(blobs: FolderBlobs):
    assert answered(asked(ORGANISATION.sign(RENDERED), rendered=False), blobs) == "wrong-bytes"


def test_a_rendering_that_can_t_be_had_now_leaves_the_question_open(tmp_path: Path):
    class Away(FolderBlobs):
        def get(self, sha256: str) -> bytes:
            raise BlobsAway("the store is away")

    assert answered(asked(ORGANISATION.sign(RENDERED)), Away(tmp_path)) == "the store is away"
    assert answered(asked(ORGANISATION.sign(XML)), Away(tmp_path)) == (upd.FORM, "7736050003")


def test_a_buyers_title_is_what_is_signed(blobs: FolderBlobs):
    title = answer()
    assert answered(asked(ORGANISATION.sign(title), title), blobs) == (buyer.FORM, "7736050003")
    assert answered(asked(ORGANISATION.sign(XML), title), blobs) == "wrong-bytes"


def test_a_title_that_answers_another_document_is_refused(blobs: FolderBlobs):
    title = answer(replace(ACT, channel=Channel.DIRECT, number="another"))
    assert answered(asked(ORGANISATION.sign(title), title), blobs) == "other-document"


@pytest.mark.parametrize("outcome", ["2", "3"])
def test_a_title_that_does_not_accept_is_no_signature(blobs: FolderBlobs, outcome: str):
    title = answer(outcome=outcome)
    assert answered(asked(ORGANISATION.sign(title), title), blobs) == "not-accepted"


def test_what_is_no_title_is_refused(blobs: FolderBlobs):
    assert answered(asked(ORGANISATION.sign(b"<x/>"), b"<x/>"), blobs) == "not-a-title"


def test_a_title_can_t_answer_a_document_without_a_tax_form(blobs: FolderBlobs):
    title = answer()
    question = replace(asked(ORGANISATION.sign(title), title), file_id=None)
    assert answered(question, blobs) == "other-document"
