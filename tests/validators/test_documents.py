"""Documents for people as veraPDF judges them: PDF/A-2a for archives and PDF/UA-1 for screen readers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

from services.documents import post
from services.documents.rendering import render
from services.payments.exports import Ours, pdf
from services.payments.reconcile import Account, Movement, PartyKind, ReconciledParty, Reconciliation
from tests.services.documents.test_rendering import ACT, INVOICE, UPD, with_long_names
from tests.validators.tools import java

DAY = date(2026, 3, 1)
STANDARDS = {"2a", "ua1"}


def forms() -> dict[str, bytes]:
    """One document of each form that the product typesets."""
    enclosure = post.Enclosure("a", "Передаточный документ № 482 от 01.03.2026", "")
    envelope = post.PostalEnvelope(uuid4(), ACT.recipient, ACT.vendor, datetime(2026, 3, 1, tzinfo=UTC), (enclosure,))
    party = ReconciledParty(PartyKind.PARTNER, "p", "ООО «Союз»", "7736050003", "773601001")
    paid = Movement(DAY, "Оплата по счету № 2026-0000001", Decimal(0), Decimal("20160.00"), str(uuid4()))
    result = Reconciliation(DAY, DAY, (Account(party, Decimal("-100.00"), [paid] * 60, []),), ())
    return {
        "act": render(ACT),
        "invoice": render(INVOICE),
        "invoice-without-account": render(replace(INVOICE, vendor=INVOICE.vendor.model_copy(update={"account": None}))),
        "transfer": render(UPD),
        "transfer-long": render(with_long_names(UPD)),
        "register": post.register([envelope] * 40, DAY),
        "envelope": post.address_sheet(envelope, DAY),
        "reconciliation": pdf(result, Ours("ООО «Софтехно»", "7707083893", "773601001")),
    }


def test_every_form_is_fit_for_archives_and_for_screen_readers(tmp_path: Path):
    made = forms()
    for name, data in made.items():
        (tmp_path / f"{name}.pdf").write_bytes(data)
    said = java("cli", "--format", "text", *sorted(tmp_path.glob("*.pdf"))).stdout.splitlines()
    assert set(said) == {f"PASS {tmp_path / name}.pdf {standard}" for name in made for standard in STANDARDS}
