"""A second request for what is asked for already, or runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from services.cabinet.requests import Row
from services.cabinet.twins import among
from services.cabinet.view.form import Typed

TODAY = date(2026, 11, 30)
ASKED = {"registration_number": "10000012", "product_id": "its-industry-12", "inn": "7707083893"}
TYPED = Typed(**ASKED)


def row(status: str, asked: dict[str, str] = ASKED, **activation: Any) -> Row:
    request_id = UUID("d75a234e-0000-4000-8000-000000000000")
    groups = {"request": {"number": "2026-000041", **asked}, "activation": activation}
    return Row(request_id, status, datetime(2026, 11, 3, 12, tzinfo=UTC), "lukomor", None, groups)


def test_an_open_one_is_named_with_where_it_stands():
    (twin,) = among([row("awaiting-confirmation")], TYPED, TODAY)
    assert twin.words == "Уже есть заявка № 2026-000041 от 03.11.2026: ждёт дистрибьютора."


@pytest.mark.parametrize(
    ("until", "words"), [("2027-11-02", ["; сервис действует до 02.11.2027."]), ("2026-11-29", [])]
)
def test_a_service_counts_as_long_as_it_runs(until: str, words: list[str]):
    found = among([row("activated", service_until=until)], TYPED, TODAY)
    assert [each.words.removeprefix("Уже есть заявка № 2026-000041 от 03.11.2026") for each in found] == words


@pytest.mark.parametrize("name", ASKED)
def test_another_client_product_or_number_is_no_twin(name: str):
    assert list(among([row("shipped", {**ASKED, name: "other"})], TYPED, TODAY)) == []


def test_a_service_that_runs_is_no_twin_of_its_renewal_and_another_renewal_under_way_is():
    runs, under_way = row("activated", service_until="2027-11-02"), row("awaiting-payment")
    (twin,) = among([runs, under_way], replace(TYPED, renews=str(runs.request_id)), TODAY)
    assert twin.words.endswith("ждёт оплаты.")
