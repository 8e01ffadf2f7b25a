"""Statements as banks write them, for tests: documents as keys and values, put into the form's text and encoding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

OURS = "40702810000000000001"
THEIRS = "40702810500000000017"


def document(**fields: str) -> dict[str, str]:
    """A payment order of a partner's to us; keys as in the form, where sides and days stand before the purpose."""
    before = {key: value for key, value in fields.items() if key.startswith(("Плательщик", "Получатель", "Дата"))}
    return {
        "СекцияДокумент": "Платежное поручение",
        "Номер": "117",
        "Дата": "04.03.2026",
        "Сумма": "20160.00",
        "ПлательщикСчет": THEIRS,
        "Плательщик": "ООО «Первый Партнёр»",
        "ПлательщикИНН": "7707083893",
        "ПлательщикКПП": "773601001",
        "ПлательщикБИК": "044525000",
        "ПолучательСчет": OURS,
        "ДатаПоступило": "05.03.2026",
        "Получатель": "ООО «Софтехно»",
        "ПолучательИНН": "7736050003",
        **before,
        "НазначениеПлатежа": "Оплата по счету № 2026-0000001 от 01.03.2026, в т.ч. НДС 20%",
        **fields,
    }


def outgoing(**fields: str) -> dict[str, str]:
    """A payment order of ours."""
    swapped = document(
        ПлательщикСчет=OURS,
        Плательщик="ООО «Софтехно»",
        ПлательщикИНН="7736050003",
        ПолучательСчет=THEIRS,
        Получатель="ООО «Первый Партнёр»",
        ПолучательИНН="7707083893",
        ДатаСписано="06.03.2026",
        НазначениеПлатежа="Возврат оплаты по счету № 2026-0000001",
    )
    del swapped["ДатаПоступило"]
    return swapped | fields


def statement(
    documents: Iterable[Mapping[str, str]] = (),
    version: str = "1.03",
    encoding: str = "Windows",
    account: str = OURS,
    totals: bool = True,
    first: str = "01.03.2026",
    last: str = "31.03.2026",
) -> str:
    """The text of a statement, with `\\n` as line end."""
    documents = list(documents)
    lines = [
        "1CClientBankExchange",
        f"ВерсияФормата={version}",
        f"Кодировка={encoding}",
        "Отправитель=Банк-Клиент",
        "Получатель=",
        "ДатаСоздания=01.04.2026",
        "ВремяСоздания=09:12:44",
        f"ДатаНачала={first}",
        f"ДатаКонца={last}",
        f"РасчСчет={account}",
        "СекцияРасчСчет",
        f"ДатаНачала={first}",
        f"ДатаКонца={last}",
        f"РасчСчет={account}",
        "НачальныйОстаток=100.00",
    ]
    if totals:
        lines += [
            f"ВсегоПоступило={_sum(documents, 'ПолучательСчет', 'ДатаПоступило', account)}",
            f"ВсегоСписано={_sum(documents, 'ПлательщикСчет', 'ДатаСписано', account)}",
        ]
    lines.append("КонецРасчСчет")
    for each in documents:
        lines += [f"{key}={value}" for key, value in each.items()]
        lines.append("КонецДокумента")
    return "\n".join([*lines, "КонецФайла", ""])


def _sum(documents: Iterable[Mapping[str, str]], side: str, day: str, account: str) -> Decimal:
    moved = (each for each in documents if each.get(side) == account and each.get(day))
    return sum((Decimal(each["Сумма"]) for each in moved), Decimal("0.00"))
