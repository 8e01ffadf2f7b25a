"""A request that has ended asks nobody for anything: no signature, no number that is good for nothing."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from services.cabinet.api.models import RequestOut
from services.cabinet.cli import print_cabinet
from services.cabinet.requests import Row
from services.cabinet.view.documents import shown_documents
from services.cabinet.view.now import Viewer

ACT = {
    "kind": "act", "number": "1", "issued_on": "2026-03-16", "issued_at": "2026-03-16T09:30:00Z", "sha256": "0" * 64,
    "recipient_id": "dist-north", "delivery": "edo",
}  # fmt: skip


def row(status: str, **document: Any) -> Row:
    groups: dict[str, Any] = {"shipping": {"permission_number": "333-277", "documents": {"act-1": ACT | document}}}
    return Row(uuid4(), status, None, "lukomor", "dist-north", groups)


@pytest.mark.parametrize(
    ("status", "asks"),
    [
        ("awaiting-confirmation", True),
        ("shipped", True),
        ("withdrawn", False),
        ("declined", False),
        ("rejected", False),
    ],
)
def test_who_is_asked_for_what(status: str, asks: bool):
    (paper,) = shown_documents(row(status), "dist-north", Viewer.DISTRIBUTOR)
    assert paper.signable is asks
    assert ("ждёт вашей подписи" in paper.state) is asks
    said = RequestOut.of(row(status), "dist-north")
    assert said.documents[0].yours_to_sign is asks
    assert said.permission_number == ("333-277" if asks else None)


@pytest.mark.parametrize(
    "document", [{"kind": "invoice"}, {"recipient_id": "dist-ural"}, {"signed_at": ACT["issued_at"]}]
)
def test_an_invoice_is_paid_and_what_is_another_s_or_signed_waits_for_nobody_here(document: dict[str, str]):
    found = row("shipped", **document)
    assert not [each for each in shown_documents(found, "dist-north", Viewer.DISTRIBUTOR) if each.signable]
    assert not RequestOut.of(found, "dist-north").documents[0].yours_to_sign


@pytest.mark.parametrize(("status", "shown"), [("shipped", True), ("declined", False)])
def test_nor_does_the_command_show_a_number_that_is_good_for_nothing(
    status: str, shown: bool, capsys: pytest.CaptureFixture[str]
):
    groups = dict.fromkeys(("request", "approval")) | {"shipping": {"permission_number": "333"}}
    print_cabinet("lukomor", [{"request_id": uuid4(), "status": status, **groups}])
    assert ("333 " in capsys.readouterr().out) is shown


@pytest.mark.parametrize(
    ("reader", "who"), [("lukomor", "token:обмен с 1С"), ("dist-north", "token"), (None, "token:обмен с 1С")]
)
def test_the_name_of_a_partners_program_is_told_to_the_partner_and_the_office(reader: str | None, who: str):
    groups = {"request": {"submitted_at": "2026-03-16T12:00:00Z", "submitted_by": "token:обмен с 1С"}}
    found = Row(uuid4(), "shipped", None, "lukomor", "dist-north", groups)
    assert [each.who for each in found.moments(reader)] == [who]
    assert RequestOut.of(found, reader).submitted_by == who
