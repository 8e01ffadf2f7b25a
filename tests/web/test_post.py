"""The postal clerk's page: what waits, what is printed, the tracking number (L15)."""

from __future__ import annotations

import io
import json
from uuid import UUID, uuid4

import pypdf
import pytest

from events.model import Delivery
from events.registry import encode
from events.shipping import DocumentRendered
from services.documents.projection import DocumentFold, connect, prepare
from services.documents.rendering import render
from services.documents.task import content_from
from services.shipping import decider
from tests.services.histories import PARTNER, PERMISSION, TODAY, VENDOR, approved
from tests.services.shipping.test_decider import NOW
from tests.web.conftest import Site


@pytest.fixture
def waiting(site: Site) -> UUID:
    """A request whose shipping documents wait for the post."""
    prepare(site.database)
    request_id = uuid4()
    facts = decider.Facts(TODAY, PERMISSION, VENDOR, NOW)
    partner = PARTNER.model_copy(update={"delivery": Delivery.POST, "address": "390000, г. Рязань, ул. Полевая, д. 3"})
    decision = decider.decide(decider.INITIAL, approved(None, partner), facts)
    assert not isinstance(decision, decider.Unacceptable)
    opened, _, issued = decision
    sale = json.loads(encode(opened))
    made = content_from(sale, issued.kind, issued.number, issued.issued_on, issued.issued_at, None)
    name = site.app.state.web.blobs.put(render(made))
    rendered = DocumentRendered(document_id=issued.document_id, form="pdf/1", sha256=name)
    fold = DocumentFold()
    for event in (*decision, rendered):
        fold.take(event.TYPE, json.loads(encode(event)), str(request_id), NOW.isoformat())
    with connect(site.database) as connection:
        for table in ("sales", "documents", "work"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608
        fold.write(connection)
    return request_id


def test_the_clerk_sees_prints_and_posts(site: Site, waiting: UUID):
    ops = site.person("ops")
    page = ops.get("/ops/post").text
    assert PARTNER.name in page
    assert "390000" in page
    printed = pypdf.PdfReader(io.BytesIO(ops.get(f"/ops/post/print?request_id={waiting}").content))
    assert len(printed.pages) == 2
    assert ops.get("/ops/post/register").content.startswith(b"%PDF-")
    wrong = ops.submit("/ops/post/sent", {"request_id": str(waiting), "tracking": "12"}, page="/ops/post")
    assert wrong.status_code == 422
    looked = site.sql("SELECT what FROM audit.looked WHERE request_id = %s ORDER BY id", waiting)
    seen = ["/ops/post", "/ops/post/print", "/ops/post/register", "/ops/post", "/ops/post/sent"]
    assert [what for (what,) in looked] == seen
    assert "14 цифр" in wrong.text
    right = ops.submit("/ops/post/sent", {"request_id": str(waiting), "tracking": "80080000000017"}, page="/ops/post")
    assert right.status_code == 303
    assert "Отправлять нечего" in ops.get(right.headers["location"]).text
    assert site.sql("SELECT tracking, posted_by FROM papers.work") == [("80080000000017", "ops")]
    again = ops.submit("/ops/post/sent", {"request_id": str(waiting), "tracking": "80080000000017"}, page="/ops/post")
    assert again.status_code == 404
    assert ops.get("/ops/post/print").status_code == 404


def test_a_document_that_can_not_leave_is_shown_with_its_reason(site: Site, waiting: UUID):
    ops = site.person("ops")
    assert "Не отправлены через оператора" not in ops.get("/ops/post").text
    why = "the counterparty with INN 7736050003 has 2 mailboxes, which one? <one>, two"
    with connect(site.database) as connection:
        document = connection.execute("SELECT document_id FROM documents").fetchone()
        assert document is not None
        connection.execute(
            "INSERT INTO work (request_id, document_id, trouble, tries) VALUES (%s, %s, %s, 3)",
            (waiting, document[0], why),
        )
    page = ops.get("/ops/post").text
    assert "Не отправлены через оператора" in page
    assert "2 mailboxes, which one? &lt;one&gt;, two" in page
    with connect(site.database) as connection:
        connection.execute("UPDATE documents SET dispatched_at = now()")
    assert "which one" not in ops.get("/ops/post").text


def test_nobody_else_sees_the_post(site: Site, waiting: UUID):
    for login in ("romashka-it", "dist-north", "auditor"):
        assert site.person(login).get("/ops/post").status_code == 404
