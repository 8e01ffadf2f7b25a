"""The standard rate of VAT goes by the day of a sale; a rate in per cent stands as it is."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from postavka.app.one_box.launcher import SAMPLE
from postavka.domain.document_forms.content import vat_included
from postavka.domain.document_forms.upd import RATES
from postavka.domain.reference.file import ProductRow, ReferenceFileError, read_file
from postavka.domain.reference.request_facts import facts_from
from postavka.domain.reference.store import _entries_of, _snapshot_of
from postavka.domain.request_rules import Asked
from postavka.domain.vat import STANDARD_RATES, rate_on, standard_rate

LAST_OF_2025, FIRST_OF_2026 = date(2025, 12, 31), date(2026, 1, 1)


@pytest.mark.parametrize(
    ("day", "rate"),
    [
        (date(2018, 12, 31), 18),
        (date(2019, 1, 1), 20),
        (LAST_OF_2025, 20),
        (FIRST_OF_2026, 22),
        (date(2030, 6, 1), 22),
    ],
)
def test_the_rate_is_that_of_the_day(day: date, rate: int):
    assert standard_rate(day) == rate_on("standard", day) == rate
    assert rate_on(Decimal(0), day) == 0


def test_days_before_the_table_have_no_rate():
    with pytest.raises(ValueError, match="2003-12-31"):
        standard_rate(date(2003, 12, 31))


def test_the_tax_form_knows_every_standard_rate():
    assert {rate for _, rate in STANDARD_RATES} <= RATES.keys()


def test_a_request_is_approved_at_the_rate_of_its_day():
    """The reference data are loaded once; nobody loads them anew in the night in which a rate changes."""
    entries = _entries_of(read_file(SAMPLE))
    known = _snapshot_of(1, [(kind, key, dict(body)) for (kind, key), body in entries.items()])
    asked = Asked.of({"product_id": "its-industry-12", "base_delivery_id": "industry-dairy"})
    sold = {day: facts_from(known, "lukomor", asked, day).product for day in (LAST_OF_2025, FIRST_OF_2026)}
    assert [(each.price, each.vat_rate) for each in sold.values() if each] == [
        (Decimal("20160.00"), 20),
        (Decimal("20160.00"), 22),
    ]
    assert vat_included(Decimal("20160.00"), Decimal(22)) == Decimal("3635.41")


def product(vat_rate: Any) -> ProductRow:
    return ProductRow.model_validate(
        {
            "id": "p",
            "service": "its-industry",
            "name": "Услуга",
            "months": 1,
            "price": Decimal("1.00"),
            "vat_rate": vat_rate,
            "fits": ["b"],
        }
    )


@pytest.mark.parametrize("rate", [0, 10, 20])
def test_a_rate_in_per_cent_is_the_same_on_every_day(rate: int):
    assert {product(rate).product(day).vat_rate for day in (LAST_OF_2025, FIRST_OF_2026)} == {rate}


@pytest.mark.parametrize("wrong", ['"Standard"', '"22 %"', "101", "-1", "true"])
def test_another_word_or_no_rate_is_refused(tmp_path: Path, wrong: str):
    file = tmp_path / "reference.toml"
    file.write_text(SAMPLE.read_text("utf-8").replace('"standard"', wrong, 1), "utf-8")
    with pytest.raises(ReferenceFileError, match="vat_rate"):
        read_file(file)
