"""Documents on their way: everything once, whenever the process dies (L14-L16)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from events.billing import InvoiceIssued
from events.commands import SignDocument
from events.model import Delivery
from events.request import RequestWithdrawn
from events.shipping import (
    DocumentDeclined,
    DocumentDispatched,
    DocumentRendered,
    DocumentSigned,
    SignatureRefused,
)
from postavka.domain.document_forms.content import sha256
from postavka.domain.document_forms.forms import PDF
from services.documents import catalogue, post
from services.documents.dispatch import Dispatch
from services.documents.operator import OperatorAway, OperatorRefuses
from services.documents.projection import connect
from tests.services.documents.world import PRICE, PRODUCT, TODAY, TRACKING, Outbox, World
from tests.services.histories import PARTNER

ACT, DIRECT, ELECTRONIC = (UUID(int=number) for number in (1, 2, 3))
INVOICED = InvoiceIssued(
    number="2026-0000001",
    issued_on=TODAY,
    amount=PRICE,
    vat_rate=PRODUCT.vat_rate,
    payer_id=PARTNER.id,
    payer_inn=PARTNER.inn,
)


@pytest.fixture(scope="module")
def url(own_database: str) -> str:
    """A database for all tests of this file; each empties its tables."""
    return own_database


@pytest.fixture
def new(url: str, tmp_path: Path) -> Callable[[], World]:
    """Makes worlds, one after the other."""
    numbers = itertools.count()
    return lambda: World(url, tmp_path / str(next(numbers)))


# kill -9 between any two steps


def begin(world: World) -> None:
    """An act that goes by exchange, and a delivery note that goes by post."""
    world.approve(ACT, delivery=None)
    world.approve(DIRECT, delivery=Delivery.POST)


def others_act(world: World) -> None:
    """Between two runs: shipping, the clerk and the counterparties do their part."""
    world.carry_over()
    world.recipients_sign()
    world.clerk_posts(DIRECT)


def finish(world: World) -> None:
    """Undisturbed, until nothing happens any more."""
    for _ in range(10):
        points = world.dispatch_apart()
        told = world.carry_over()
        if not points and not told:
            return
        world.recipients_sign()
        world.clerk_posts(DIRECT)
    raise AssertionError("it never comes to an end")


def judge(world: World) -> None:
    """Nothing unsent, nothing twice."""
    issued = {f"{request_id}/{event.document_id}": event for request_id, event in world.issued()}
    assert len(issued) == 2
    once = dict.fromkeys(issued, 1)
    assert world.count(DocumentRendered) == once
    assert world.count(DocumentDispatched) == once
    by_exchange = [key for key, event in issued.items() if event.delivery is Delivery.EDO]
    assert [letter.kind for letter in world.operator.mailbox()] == ["UniversalTransferDocument"]
    assert world.count(DocumentSigned) == dict.fromkeys(by_exchange, 1)
    assert world.count(SignatureRefused) == {}
    for event in issued.values():
        assert sha256(world.blobs.get(event.sha256)) == event.sha256
    for letter in world.operator.mailbox():
        assert sha256(letter.content) in {event.sha256 for event in issued.values()}
    tracked = {event.tracking for event in world.dispatched().values()}
    assert tracked == {None, TRACKING}


def test_killed_between_any_two_steps_nothing_is_unsent_and_nothing_twice(new: Callable[[], World]):
    phases: list[int] = []
    whole = new()
    begin(whole)
    while points := whole.dispatch_apart():
        phases.append(points)
        others_act(whole)
    judge(whole)
    assert len(phases) >= 3
    assert sum(phases) > 15
    for phase, points in enumerate(phases):
        for kill_at in range(1, points + 1):
            world = new()
            begin(world)
            for _ in range(phase):
                world.dispatch_apart()
                others_act(world)
            assert world.dispatch_apart(kill_at) is None, f"phase {phase} has no point {kill_at}"
            finish(world)
            judge(world)


# What becomes of documents


def run(world: World) -> None:
    world.dispatch()
    world.carry_over()


def test_an_invoice_goes_by_exchange_as_its_rendering(new: Callable[[], World]):
    world = new()
    world.approve(ELECTRONIC, delivery=Delivery.EDO)
    world.tell(ELECTRONIC, INVOICED)
    for _ in range(3):
        run(world)
    letters = {letter.kind: letter for letter in world.operator.mailbox(PARTNER.inn)}
    assert set(letters) == {"UniversalTransferDocument", "ProformaInvoice"}
    assert letters["ProformaInvoice"].content.startswith(b"%PDF-")
    assert letters["ProformaInvoice"].file_name == "Счет 2026-0000001 от 2026-03-01.pdf"
    world.recipients_sign()
    for _ in range(2):
        run(world)
    assert {event.form for _, event in world.events if isinstance(event, DocumentSigned)} == {
        PDF,
        "fns.upd-dop.buyer/5.03",
    }


def test_a_counterparty_refuses_to_sign(new: Callable[[], World]):
    world = new()
    world.approve(ACT, delivery=None)
    for _ in range(3):
        run(world)
    (letter,) = world.operator.mailbox()
    world.operator.decline(letter.message_id, "Неверно указан КПП")
    for _ in range(2):
        run(world)
    (declined,) = [event for _, event in world.events if isinstance(event, DocumentDeclined)]
    assert (declined.reason, declined.declined_by) == ("Неверно указан КПП", letter.to_inn)


def test_a_signature_of_somebody_else_comes_back_refused(new: Callable[[], World]):
    world = new()
    world.approve(ACT, delivery=None)
    for _ in range(3):
        run(world)
    (letter,) = world.operator.mailbox()
    world.operator.sign(letter.message_id, world.authority.sign(letter.content, "7707083893", "Чужой"))
    for _ in range(2):
        run(world)
    (refused,) = [event for _, event in world.events if isinstance(event, SignatureRefused)]
    assert refused.reason.code == "other-signer"


def test_one_signature_does_not_serve_two_documents(new: Callable[[], World]):
    world = new()
    world.approve(ACT, delivery=None)
    world.approve(ELECTRONIC, delivery=None)
    for _ in range(3):
        run(world)
    first, second = world.operator.mailbox()
    signature = world.authority.sign(first.content, first.to_inn, "ООО «Союз»")
    for letter in (first, second):
        world.operator.sign(letter.message_id, signature)
    for _ in range(2):
        run(world)
    assert len(world.count(DocumentSigned)) == 1
    (refused,) = [event for _, event in world.events if isinstance(event, SignatureRefused)]
    assert refused.reason.code == "wrong-bytes"


def test_a_document_of_a_closed_request_does_not_leave_any_more(new: Callable[[], World]):
    world = new()
    world.approve(ACT, delivery=None)
    world.approve(DIRECT, delivery=Delivery.POST)
    for request_id in (ACT, DIRECT):
        world.tell(request_id, RequestWithdrawn(withdrawn_by="ivanova"))
    for _ in range(3):
        run(world)
    assert world.operator.mailbox() == []
    assert world.count(DocumentDispatched) == {}
    with connect(world.url) as connection:
        assert post.waiting(connection) == []


def test_an_answer_to_what_is_none_of_ours_is_passed_over(new: Callable[[], World]):
    world = new()
    world.approve(ACT, delivery=None)
    for _ in range(3):
        run(world)
    (letter,) = world.operator.mailbox()
    with connect(world.url) as connection:
        connection.execute("UPDATE work SET message = 'another'")
        connection.execute("UPDATE documents SET dispatch_id = 'another'")
    world.operator.decline(letter.message_id, "…")
    run(world)
    assert world.count(DocumentDeclined) == {}


def test_what_was_sent_is_known_from_the_log_after_the_schema_was_lost(new: Callable[[], World]):
    world = new()
    world.approve(ACT, delivery=None)
    for _ in range(3):
        run(world)
    with connect(world.url) as connection:
        connection.execute("TRUNCATE work")
    world.recipients_sign()
    for _ in range(3):
        run(world)
    assert len(world.operator.mailbox()) == 1
    assert len(world.count(DocumentSigned)) == 1


class Unwilling:
    """An operator that is away, or refuses."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def send(self, letter: object) -> object:
        raise self.error

    def answers(self, after: str | None) -> list[object]:
        return []


def test_an_operator_that_is_away_holds_up_nobody_else(new: Callable[[], World]):
    world = new()
    begin(world)
    for _ in range(2):
        run(world)
    with connect(world.url) as connection:
        connection.execute("UPDATE work SET message = NULL, entity = NULL, dispatch_reported_at = NULL")
        connection.execute("UPDATE documents SET dispatched_at = NULL")
        world.clerk_posts(DIRECT)
        outbox = Outbox(world.home / "other")
        dispatch = Dispatch(connection, world.blobs, Unwilling(OperatorAway("gone")), outbox)
        with pytest.raises(OperatorAway):
            dispatch.round()
        assert (world.home / "other").read_text().count("ReportDispatch") == 1
        assert dispatch.connection.execute("SELECT count(*) FROM work WHERE trouble IS NOT NULL").fetchone() == (0,)


def test_what_the_operator_refuses_is_put_off_with_the_reason(new: Callable[[], World]):
    world = new()
    world.approve(ACT, delivery=None)
    run(world)
    with connect(world.url) as connection:
        refusing = Dispatch(connection, world.blobs, Unwilling(OperatorRefuses("no mailbox")), Outbox(world.home / "o"))
        assert refusing.round() == 0
        assert refusing.round() == 0
        row = connection.execute("SELECT trouble, tries, not_before > now() FROM work").fetchone()
        assert row == ("no mailbox", 1, True)
        connection.execute("UPDATE work SET not_before = now()")
    for _ in range(2):
        run(world)
    assert len(world.operator.mailbox()) == 1


# Pages, clerk and auditor


def test_a_document_is_listed_with_its_files_and_known_by_its_bytes(new: Callable[[], World]):
    world = new()
    world.approve(ACT, delivery=None)
    with connect(world.url) as connection:
        (fresh,) = catalogue.documents_of(connection, ACT)
        assert [file.format for file in fresh.files] == ["issued"]
    for _ in range(3):
        run(world)
    world.recipients_sign()
    for _ in range(2):
        run(world)
    with connect(world.url, readonly=True) as connection:
        (listed,) = catalogue.documents_of(connection, ACT)
        assert catalogue.newest(connection, 5, catalogue.DocumentState.SIGNED) == [listed]
        assert catalogue.newest(connection, 5, catalogue.DocumentState.ISSUED) == []
        assert listed.state is catalogue.DocumentState.SIGNED
        pdf, xml = listed.files
        assert (pdf.media_type, xml.media_type) == ("application/pdf", "application/xml; charset=windows-1251")
        for file in (pdf, xml):
            data = catalogue.bytes_of(world.blobs, file)
            (match,) = catalogue.identify(connection, sha256(data))
            assert (match.request_id, match.document_id, match.what) == (ACT, listed.document_id, file.format)
            assert catalogue.identify(connection, sha256(data + b" ")) == []
        (answer,) = world.operator.answers(None)
        assert catalogue.identify(connection, sha256(answer.what.title))[0].what == "signed"
        assert catalogue.identify(connection, sha256(answer.what.signature))[0].what == "signature"


def test_the_clerk_prints_posts_and_enters_the_number(new: Callable[[], World]):
    world = new()
    world.approve(DIRECT, delivery=Delivery.POST)
    world.tell(DIRECT, INVOICED)
    for _ in range(2):
        run(world)
    with connect(world.url) as connection:
        (envelope,) = post.waiting(connection)
        assert {each.title.split(" №")[0] for each in envelope.enclosures} == {"УПД", "Счет"}
        assert post.print_ready([envelope], world.blobs, TODAY).startswith(b"%PDF-")
        assert post.register([envelope], TODAY).startswith(b"%PDF-")
        for wrong in ("", "123", "abc"):
            with pytest.raises(post.UserError, match="no tracking number"):
                post.sent(connection, DIRECT, wrong, "clerk")
        with pytest.raises(post.NotQueued, match="act-1"):
            post.sent(connection, DIRECT, TRACKING, "clerk", ["act-1"])
        assert len(post.sent(connection, DIRECT, " 800800 00000017 ", "clerk")) == 2
        with pytest.raises(post.NotQueued):
            post.sent(connection, DIRECT, TRACKING, "clerk")
        assert post.waiting(connection) == []
    for _ in range(2):
        run(world)
    assert {event.tracking for event in world.dispatched().values()} == {TRACKING}


def test_a_signature_by_the_portal_is_the_same_to_shipping(new: Callable[[], World]):
    """A partner signs the PDF that it has downloaded, and uploads the signature."""
    import base64

    world = new()
    world.approve(DIRECT, delivery=Delivery.POST)
    for _ in range(2):
        run(world)
    with connect(world.url, readonly=True) as connection:
        (listed,) = catalogue.documents_of(connection, DIRECT)
    pdf = listed.file("pdf")
    assert pdf is not None
    signature = world.authority.sign(catalogue.bytes_of(world.blobs, pdf), PARTNER.inn, PARTNER.name)
    world.tell(
        DIRECT,
        SignDocument(
            request_id=DIRECT,
            document_id=listed.document_id,
            signature=base64.b64encode(signature).decode(),
            sent_by="partner",
        ),
    )
    (signed,) = [event for _, event in world.events if isinstance(event, DocumentSigned)]
    assert (signed.form, signed.covers_sha256) == (PDF, pdf.sha256)
