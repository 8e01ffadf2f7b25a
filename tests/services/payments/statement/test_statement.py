"""Reading a bank's statement: encodings, line ends, both versions, and every mistake of a broken file by its line."""

from __future__ import annotations

import re
import time
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from postavka.domain import invoice_numbers
from services.payments.ids import payment_id, return_id
from services.payments.selection import take
from services.payments.statement import MOST_ODD, BrokenStatement, Direction, parse
from tests.services.payments.statement.statements import OURS, THEIRS, document, outgoing, statement

SHA = "0" * 64


def problems(text: str, encoding: str = "cp1251") -> list[tuple[int, str]]:
    with pytest.raises(BrokenStatement) as broken:
        parse(text.encode(encoding))
    return [(each.line, each.message) for each in broken.value.problems]


def line_of(text: str, begins: str) -> int:
    return next(number for number, line in enumerate(text.split("\n"), 1) if line.startswith(begins))


# What can be read


@pytest.mark.parametrize(("encoding", "declared"), [("cp1251", "Windows"), ("cp866", "DOS"), ("utf-8", "UTF-8")])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("version", ["1.02", "1.03"])
def test_every_encoding_line_end_and_version(encoding: str, declared: str, line_end: str, version: str):
    # DOS has no typographical quotation marks.
    sent = document(Плательщик='ООО "Первый Партнёр"')
    text = statement([sent], version, declared).replace("«", '"').replace("»", '"').replace("№", "N")
    read = parse(text.replace("\n", line_end).encode(encoding))
    assert (read.version, read.encoding) == (version, encoding)
    assert (read.first, read.last) == (date(2026, 3, 1), date(2026, 3, 31))
    assert read.accounts == (OURS,)
    assert read.sender == "Банк-Клиент"
    (only,) = read.documents
    assert only.number == "117"
    assert only.kind == "Платежное поручение"
    assert (only.issued_on, only.moved_on) == (date(2026, 3, 4), date(2026, 3, 5))
    assert only.amount == Decimal("20160.00")
    assert (only.payer.account, only.payer.inn, only.payer.kpp) == (THEIRS, "7707083893", "773601001")
    assert only.payer.name == 'ООО "Первый Партнёр"'
    assert only.payee.account == OURS
    assert only.direction is Direction.INCOMING
    assert only.purpose.startswith("Оплата по счету N 2026-0000001")


@pytest.mark.parametrize("declared", ["Windows", "DOS", "что угодно"])
def test_the_bytes_say_the_encoding_whatever_the_header_says(declared: str):
    text = statement([document()], encoding=declared)
    assert parse(b"\xef\xbb\xbf" + text.encode()).encoding == "utf-8"
    assert parse(text.encode()).documents[0].payer.name == "ООО «Первый Партнёр»"
    assert parse(text.encode("cp1251")).documents[0].payer.name == "ООО «Первый Партнёр»"


def test_a_purpose_may_be_in_several_lines_or_keys():
    broken_up = document(НазначениеПлатежа="Оплата по счету\n№ 2026-0000003\nза ИТС")
    numbered = document(Номер="118", НазначениеПлатежа1="Оплата по счету", НазначениеПлатежа2="№ 2026-0000003 за ИТС")
    del numbered["НазначениеПлатежа"]
    read = parse(statement([broken_up, numbered]).encode())
    assert {each.purpose for each in read.documents} == {"Оплата по счету № 2026-0000003 за ИТС"}


def test_names_and_accounts_of_the_older_keys():
    old = document(Плательщик="ИНН 7707083893 ООО", Плательщик1="ООО «Первый»", ПлательщикРасчСчет=THEIRS)
    del old["ПлательщикСчет"]
    (read,) = parse(statement([old], "1.02").encode()).documents
    assert (read.payer.name, read.payer.account) == ("ООО «Первый»", THEIRS)


def test_unknown_keys_and_a_dos_end_of_file_are_no_mistakes():
    more = document(ПоказательКБК="0", Очередность="5", КвитанцияДата="05.03.2026")
    text = statement([more]).replace("ПоказательКБК=0", "ПоказательКБК=0\nПоказательКБК=1").replace("№", "N")
    assert len(parse(text.replace("«", "").replace("»", "").encode("cp866") + b"\x1a").documents) == 1


def test_an_empty_statement_is_one():
    assert parse(statement().encode()).documents == ()


# What is taken of it


def test_only_money_that_came_and_money_that_went_back_is_taken():
    documents = [
        document(),
        document(Номер="118", Сумма="0.01", ПлательщикИНН=""),
        outgoing(),
        outgoing(Номер="7", НазначениеПлатежа="Оплата аренды за март"),
        document(Номер="9", ПлательщикСчет=OURS, ДатаСписано="05.03.2026"),
        {**document(Номер="10"), "ДатаПоступило": ""},
        document(),
    ]
    shown_twice = statement(documents).replace("ВсегоПоступило=60480.01", "ВсегоПоступило=40320.01")
    taken = take(parse(shown_twice.encode()), SHA)
    assert [(each.document.number, each.amount, each.payer_inn) for each in taken.payments if each.document] == [
        ("117", Decimal("20160.00"), "7707083893"),
        ("118", Decimal("0.01"), "0"),
    ]
    (went,) = taken.returns
    assert (went.invoice_number, went.payee_inn, went.paid_on) == ("2026-0000001", "7707083893", date(2026, 3, 6))
    assert (taken.came.count, taken.came.amount) == (2, Decimal("20160.01"))
    counts = (taken.went_back, taken.other_outgoing, taken.internal, taken.not_moved, taken.repeated)
    assert [each.count for each in counts] == [1, 1, 1, 1, 1]


def test_a_return_names_the_payment_it_is_for():
    came = take(parse(statement([document()]).encode()), SHA).payments[0].payment_id
    back = outgoing(НазначениеПлатежа=f"Возврат ошибочного платежа {came.upper()} от 05.03.2026")
    (went,) = take(parse(statement([back]).encode()), SHA).returns
    assert went.payment_id == came
    assert went.return_id != came


def test_ids_are_of_the_document_not_of_the_file():
    alone = parse(statement([document()]).encode()).documents[0]
    other_text = document(НазначениеПлатежа="Оплата", Плательщик="Первый", ПлательщикКПП="")
    among = parse(statement([document(Номер="1"), other_text], first="05.03.2026").encode("cp1251")).documents[1]
    assert payment_id(alone) == payment_id(among)
    assert payment_id(alone) == "bp-20260305-4352ae6bbb1816fd", "as in every release: what was loaded is known by it"


@pytest.mark.parametrize(
    "change",
    [
        {"Номер": "118"},
        {"Дата": "05.03.2026"},
        {"ДатаПоступило": "06.03.2026"},
        {"Сумма": "20160.01"},
        {"ПлательщикСчет": "40702810500000000018"},
    ],
)
def test_another_document_has_another_id(change: dict[str, str]):
    one, two = parse(statement([document(), document(**change)]).encode()).documents
    assert payment_id(one) != payment_id(two)
    assert return_id(one) != payment_id(one)


# What can't be read: every mistake, by its line


def test_every_mistake_is_told_at_once_with_its_line():
    bad = document(Номер="", Дата="31.02.2026", Сумма="100,001", ДатаПоступило="вчера")
    text = statement([bad, document()], version="2.01", first="32.03.2026", totals=False)
    found = dict(problems(text))
    assert {line: found[line] for line in sorted(found)} == {
        2: "версия формата «2.01»: читаются 1.01, 1.02, 1.03.",
        line_of(text, "ДатаНачала="): "ДатаНачала «32.03.2026»: нужна дата вида 31.12.2026.",
        line_of(text, "Номер="): "у документа нет номера.",
        line_of(text, "Дата="): "Дата «31.02.2026»: нужна дата вида 31.12.2026.",
        line_of(text, "Сумма="): "Сумма «100,001»: нужна сумма вида 12500.00.",
        line_of(text, "ДатаПоступило="): "ДатаПоступило «вчера»: нужна дата вида 31.12.2026.",
    }


@pytest.mark.parametrize(
    ("spoil", "at", "says"),
    [
        (lambda text: text.replace("КонецФайла", ""), None, "нет строки «КонецФайла»: файл оборван."),
        (lambda text: text + "ещё\n", "ещё", "после «КонецФайла»"),
        (lambda text: text.replace("КонецРасчСчет\n", "", 1), "СекцияРасчСчет", "раздел не закрыт"),
        (lambda text: text.replace("СекцияРасчСчет\n", ""), "КонецРасчСчет", "без начала"),
        (lambda text: text.replace("Отправитель=", "чепуха\nОтправитель="), "чепуха", "строка не разобрана: «чепуха»"),
        (lambda text: text.replace(f"РасчСчет={OURS}\n", "", 2), "СекцияРасчСчет", "нет «РасчСчет»"),
        (lambda text: text.replace("ДатаКонца=31.03.2026", "ДатаКонца=28.02.2026", 1), "ДатаКонца", "раньше, чем"),
        (lambda text: text.replace("ВсегоПоступило=20160.00", "ВсегоПоступило=20160.01"), "ВсегоПоступило", "неполон"),
        (lambda text: text.replace("Получатель=\n", "Получатель=\x07\n", 1), "Получатель=", "управляющие символы"),
    ],
)
def test_a_broken_file_is_refused_with_the_line(spoil, at: str | None, says: str):
    text = spoil(statement([document()]))
    found = problems(text)
    line = len(text.split("\n")) if at is None else line_of(text, at)
    assert [each for each in found if each[0] == line and says in each[1]], found


@pytest.mark.parametrize(
    ("spoil", "at", "says"),
    [
        (lambda text: text.replace("КонецДокумента\n", "", 1), "СекцияДокумент", "раздел не закрыт"),
        (lambda text: text.replace("Сумма=20160.00\n", ""), "СекцияДокумент", "нет суммы «Сумма»."),
        (lambda text: text.replace("=20160.00", "=0.00"), "Сумма=", "сумма документа — ноль."),
        (lambda text: text.replace("=20160.00", "=-1.00"), "Сумма=", "нужна сумма вида"),
        (lambda text: text.replace("Сумма=20160.00", "Сумма=20160.001"), "Сумма=", "нужна сумма вида"),
        (lambda text: text.replace("Дата=04.03.2026", "Дата=31.02.2026"), "Дата=", "нужна дата вида"),
        (lambda text: text.replace("ДатаПоступило=05", "ДатаПоступило=55"), "ДатаПоступило=", "нужна дата вида"),
        (lambda text: text.replace("Номер=117", "Номер=117\nНомер=118"), "Номер=118", "«Номер» второй раз"),
        (lambda text: text.replace("Сумма=", "Сумма=1.00\nСумма="), "Сумма=20160", "«Сумма» второй раз"),
        (lambda text: text.replace("Номер=117", "Номер=117\nчепуха"), "чепуха", "строка не разобрана: «чепуха»"),
        (lambda text: text.replace("Номер=117", "Номер=1\x071"), "Номер=", "управляющие символы"),
        (lambda text: text.replace(f"чет={OURS}\nДата", f"чет={THEIRS}\nДата"), "СекцияДокумент", "ни платель"),
        (lambda text: text.replace("Дата=04.03.2026\n", ""), "СекцияДокумент", "нет даты «Дата»."),
    ],
)
def test_an_odd_document_does_not_refuse_the_others(spoil, at: str, says: str):
    """It waits with its line and its text; money of the others counts, and is still what the bank's total says."""
    odd, other = statement([document()]), document(Номер="200", Сумма="5400.00")
    text = spoil(odd)
    beginning, documents = text.split("СекцияДокумент", 1)
    total = "ВсегоПоступило={}"
    for before, after in (("20160.00", "25560.00"), ("0.00", "5400.00"), ("-1.00", "5399.00")):
        beginning = beginning.replace(f"{total.format(before)}\n", f"{total.format(after)}\n")
    more = "".join(f"{key}={value}\n" for key, value in other.items()) + "КонецДокумента\nКонецФайла"
    text = f"{beginning}СекцияДокумент{documents}".replace("КонецФайла", more)
    read = parse(text.encode("cp1251"))
    assert [each.number for each in read.documents] == ["200"]
    (found,) = read.odd
    assert next((each.line, says in each.message) for each in found.problems) == (line_of(text, at), True)
    assert read.text_of(found).startswith("СекцияДокумент=Платежное поручение")
    taken = take(read, SHA)
    assert (taken.came.amount, len(taken.odd)) == (Decimal("5400.00"), 1)
    with pytest.raises(BrokenStatement, match="файл неполон"):
        parse(re.sub("ВсегоПоступило=.*", "ВсегоПоступило=1.00", text).encode("cp1251"))


def test_a_file_of_nothing_but_odd_documents_is_refused():
    with pytest.raises(BrokenStatement, match=f"больше {MOST_ODD}"):
        parse(statement([document(Дата="?")] * (MOST_ODD + 1)).encode())


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "Файл пуст."),
        (b"\r\n  \n", "Файл пуст."),
        (b"%PDF-1.4\n", "строка 1: Это не выписка"),
        ("\ufeff1CClientBankExchange".encode("utf-16-le"), "UTF-16"),
        (b"1CClientBankExchange\nabc=1\n", "Кодировка не распознана"),
        (
            "1CClientBankExchange\nВерсияФормата=1.03\nОтправитель=".encode("cp1251") + b"\x98\n",
            "байт 0x98 в позиции 13",
        ),
    ],
)
def test_what_is_no_statement_is_said_plainly(data: bytes, says: str):
    with pytest.raises(BrokenStatement) as broken:
        parse(data)
    assert says in str(broken.value)


def test_a_statement_of_another_account_is_refused():
    text = statement([document()])
    assert parse(text.encode(), frozenset({OURS})).accounts == (OURS,)
    with pytest.raises(BrokenStatement, match=f"строка 10: счёт {OURS} не наш"):
        parse(text.encode(), frozenset({THEIRS}))


@for_all(st.binary(max_size=300), st.integers(0, 2_000))
def test_whatever_is_in_a_file_it_is_read_or_refused(noise: bytes, place: int):
    whole = statement([document(), outgoing()]).encode("cp1251")
    at = place % len(whole)
    for data in (noise, whole[:at] + noise + whole[at:], whole[:at] + noise + whole[at + len(noise) :]):
        try:
            take(parse(data), SHA)
        except BrokenStatement as broken:
            assert broken.problems  # noqa: PT017


@settings(max_examples=50)
@for_all(
    st.lists(
        st.tuples(st.decimals("0.01", "9999999", places=2), st.integers(1, 9), st.booleans(), st.booleans()),
        max_size=20,
    )
)
def test_no_kopeck_of_a_statement_is_lost(drawn):
    documents = [
        (document if incoming else outgoing)(Сумма=f"{amount:.2f}", Номер=str(number))
        | ({} if moved else {"ДатаПоступило": "", "ДатаСписано": ""})
        for amount, number, incoming, moved in drawn
    ]
    taken = take(parse(statement(documents).encode()), SHA)
    parts = (taken.came, taken.went_back, taken.other_outgoing, taken.internal, taken.not_moved, taken.repeated)
    assert sum(each.amount for each in parts) == sum(amount for amount, *_ in drawn)
    assert sum(each.amount for each in taken.payments) == taken.came.amount
    assert sum(each.amount for each in taken.returns) == taken.went_back.amount


def test_ten_thousand_documents_take_seconds():
    documents = [document(Номер=str(number), Сумма=f"{number}.50") for number in range(1, 10_001)]
    data = statement(documents).encode("cp1251")
    started = time.perf_counter()
    taken = take(parse(data), SHA)
    spent = time.perf_counter() - started
    assert len(taken.payments) == 10_000
    print(f"\n10,000 documents ({len(data) / 1e6:.1f} MB) in {spent:.2f} s")


# Invoice numbers as people write them


@pytest.mark.parametrize(
    ("purpose", "numbers"),
    [
        ("Оплата по счету № 2026-0000001 от 05.03.2026", ["2026-0000001"]),
        ("сч.2026-1", ["2026-0000001"]),
        ("СЧЁТ N2026/17, в т.ч. НДС", ["2026-0000017"]),
        ("по счёту на оплату №: 2026–0000044", ["2026-0000044"]),
        ("за ИТС 2026 - 0000001", ["2026-0000001"]),
        ("сч2026-0000001", ["2026-0000001"]),
        ("Счет No 2026-9.", ["2026-0000009"]),
        ("счету 0000012 от 05.03.26", ["2026-0000012"]),
        ("по счетам №2026-1, 2026-2 и № 2026-0000003", ["2026-0000001", "2026-0000002", "2026-0000003"]),
        ("счета 2026-0000001. Счет 2026-1", ["2026-0000001"]),
        ("счет-фактура № 2026-5", []),
        ("сч/ф 2026-5, р/сч 2026-5", []),
        ("счет от 2026-03-05", []),
        ("счет 2026-03-05", []),
        ("счет 2026-1/2", []),
        ("договор 2026-3", []),
        ("12026-0000001 и 2026-00000012", []),
        ("", []),
    ],
)
def test_invoice_numbers_as_people_write_them(purpose: str, numbers: list[str]):
    assert list(invoice_numbers.find_all(purpose)) == numbers
    assert invoice_numbers.find_in(purpose) == (numbers[0] if len(numbers) == 1 else None)


def test_numbers_follow_each_other_within_a_year():
    assert invoice_numbers.first_of(2027) == "2027-0000001"
    assert invoice_numbers.next_after("2026-0000009") == "2026-0000010"
    assert invoice_numbers.canonical(" 2026/10 ") == "2026-0000010"
    assert invoice_numbers.canonical("10") is None
    with pytest.raises(OverflowError):
        invoice_numbers.next_after("2026-9999999")
