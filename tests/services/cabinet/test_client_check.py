"""INN, name and KPP of a client are one fact: what the register says beside what was typed, what the form forgets."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from postavka.domain.tax_register import NotAnswering, RegisteredCompany
from postavka.domain.tax_register.table import TableRegister
from services.cabinet import client_check
from services.cabinet.client_check import Agreement, check_client, plain_name
from services.cabinet.view.form import Typed

SCALES = ("7707083893", "АО «Завод точных весов»", "773601001")


class Silent:
    """A register that does not answer, or not in time."""

    def __init__(self, *, late: bool) -> None:
        self._late = late

    async def find(self, inn: str) -> RegisteredCompany | None:
        if self._late:
            await asyncio.sleep(60)
        raise NotAnswering("away")

    async def close(self) -> None: ...


@pytest.mark.parametrize(
    ("inn", "name", "kpp", "agreement"),
    [
        (*SCALES, Agreement.SAME),
        ("7707083893", "акционерное общество Завод  точных весов", "773601001", Agreement.SAME),
        ("7707083893", "АО «Молочные реки»", "773601001", Agreement.OTHER),
        ("7707083893", "АО «Завод точных весов»", "001201001", Agreement.OTHER),
        ("7707083893", "АО «Завод точных весов»", None, Agreement.OTHER),
        ("0012004313", "АО «Молочные реки»", "003402001", Agreement.SAME),
        ("500100732259", "ИП Творогов Антон Сергеевич", None, Agreement.SAME),
        ("500100732259", "Индивидуальный предприниматель Творогов Антон Сергеевич", None, Agreement.SAME),
        ("0099002702", "ООО «Ничьё»", "009901001", Agreement.NOBODY),
        ("1", "ООО «Ничьё»", None, Agreement.NOBODY),
    ],
)
def test_what_the_register_says_of_a_client(inn: str, name: str, kpp: str | None, agreement: Agreement):
    assert asyncio.run(check_client(TableRegister(), inn, name, kpp)).agreement is agreement


@pytest.mark.parametrize("late", [False, True])
def test_a_register_that_is_away_leaves_it_unchecked(late: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client_check, "SECONDS", 0.05)
    assert asyncio.run(check_client(Silent(late=late), *SCALES)).agreement is Agreement.UNCHECKED


def test_names_are_compared_as_people_read_them():
    assert plain_name("ООО «Ёлка»") == plain_name('Общество с ограниченной ответственностью "ЕЛКА"')
    assert plain_name("ООО «Ёлка»") != plain_name("АО «Ёлка»")
    assert {
        plain_name(f"{form} «Ёлка»")
        for form in ("Непубличное акционерное общество", "НАО", "Акционерное общество", "АО")
    } == {"ао елка"}
    assert plain_name("Публичное акционерное общество «Ёлка»") == plain_name("ПАО «Ёлка»") == "пао елка"
    assert plain_name("ООО «Наоми»") == "ооо наоми"


def test_what_was_filled_in_for_one_number_is_no_other_numbers():
    filled = Typed(inn="7707083893", buyer="АО «Завод точных весов»", kpp="773601001", filled="7707083893")
    assert filled.of_its_inn() == filled
    other = replace(filled, inn="0099002702").of_its_inn()
    assert (other.buyer, other.kpp, other.filled) == ("", "", "")
    by_hand = replace(filled, inn="0099002702", filled="")
    assert by_hand.of_its_inn() == by_hand, "what somebody has typed stays"
    assert "filled" not in filled.command()
