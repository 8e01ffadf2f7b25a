"""Statements as real banks write them: forms of a value, texts over several lines, and what only a total can tell."""

from __future__ import annotations

import re
import time
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from services.payments.selection import Taken, take
from services.payments.statement import BankStatement, BrokenStatement, parse
from services.payments.statement.values import amount_of, day_of, inn_of
from tests.services.payments.statement.statements import OURS, THEIRS, document, outgoing, statement

SECOND = "40702810900000000002"
D = Decimal


def taken(text: str) -> Taken:
    return take(parse(text.encode("cp1251")), "0" * 64)


def with_total(text: str, came: str, went: str = "") -> str:
    """The same with other totals of the bank."""
    text = re.sub("(ВсегоПоступило=).*", rf"\g<1>{came}", text, count=1)
    return re.sub("(ВсегоСписано=).*", rf"\g<1>{went}", text, count=1) if went else text


def of_two_accounts(documents: list[dict[str, str]], totals: tuple[str, str, str, str]) -> str:
    """A file of two accounts of ours; totals: came and went of the first, came and went of the second."""
    text = with_total(statement(documents), *totals[:2])
    second = f"СекцияРасчСчет\nРасчСчет={SECOND}\nВсегоПоступило={totals[2]}\nВсегоСписано={totals[3]}\nКонецРасчСчет\n"
    return text.replace(f"РасчСчет={OURS}\nСекция", f"РасчСчет={OURS}\nРасчСчет={SECOND}\nСекция").replace(
        "КонецРасчСчет\n", f"КонецРасчСчет\n{second}", 1
    )


# Forms of a value


@pytest.mark.parametrize(
    "written",
    [
        *("20160,00", "20 160.00", "20\u00a0160,00", "20\u2009160,00", "20\u202f160.00", "20'160.00", "20’160,00"),
        *("20160", "20160.", "20160.0", "20160-00", "20160=", "20,160.00", "20.160,00", "020160.00"),
    ],
)
def test_a_sum_is_read_as_banks_write_it(written: str):
    text = statement([document()]).replace("=20160.00", f"={written}")
    (payment,) = take(parse(text.encode()), "0" * 64).payments
    assert payment.amount == D("20160.00")
    assert payment.payment_id == taken(statement([document()])).payments[0].payment_id


@pytest.mark.parametrize(
    "written", ["20160.001", "20,160", "20.160", "2 0160.00", "1e5", "20160.00 USD", "--1", "- -20160.00", "", "."]
)
def test_a_sum_that_could_be_two_is_not_guessed(written: str):
    assert amount_of(written) is None


@pytest.mark.parametrize(("written", "amount"), [(".00", "0.00"), ("0", "0.00"), ("-1,5", "-1.50"), (",5", "0.50")])
def test_small_sums(written: str, amount: str):
    assert amount_of(written) == D(amount)


@pytest.mark.parametrize(
    "written", ["5.3.2026", "05/03/2026", "05-03-2026", "05.03.26", "2026-03-05", "05.03.2026 14:02:11"]
)
def test_a_day_is_read_as_banks_write_it(written: str):
    assert day_of(written) == date(2026, 3, 5)


@pytest.mark.parametrize(
    "written", ["", "вчера", "31.02.2026", "2026-13-01", "05.03", "20260305", "05.03.2026" + " " * 40 + "14:02"]
)
def test_what_is_no_day(written: str):
    assert day_of(written) is None


@pytest.mark.parametrize("version", ["1.00", "1.01", "1.03", "1,02", ""])
def test_versions_differ_in_keys_that_are_not_needed(version: str):
    assert taken(statement([document()], version)).came.count == 1


@pytest.mark.parametrize(
    ("inn", "name", "read"),
    [
        ("", "ИНН 7707083893 ООО «Первый»", "7707083893"),
        ("", "ИНН7707083893, КПП 773601001, ООО «Первый»", "7707083893"),
        ("", "ИП Иванов И. И. (ИНН: 500100732259)", "500100732259"),
        ("0000000000", "инн 7707083893 ООО", "7707083893"),
        ("ИНН 7707083893", "ООО", "7707083893"),
        ("7707 083 893", "ООО", "7707083893"),
        ("7707083893/773601001", "ООО", "7707083893"),
        ("7736050003", "ИНН 7707083893 ООО", "7736050003"),
        ("", "ИНН 7707083890 ООО", "0"),
        ("", "ИНН 7707083893 за ИНН 7736050003", "0"),
        ("", "ООО «7707083893»", "0"),
        ("000000000000", "", "0"),
        ("не указан", "ООО «Первый»", "0"),
        ("123456789", "ИООО «Минск»", "123456789"),
    ],
)
def test_who_has_paid(inn: str, name: str, read: str):
    assert inn_of(inn, name) == read
    (payment,) = taken(statement([document(ПлательщикИНН=inn, Плательщик=name or "x")])).payments
    assert payment.payer_inn == read


def test_a_name_is_told_without_the_numbers_before_it():
    names = ("ИНН 7707083893 ООО «Первый»", "ИНН 7707083893/773601001 ООО «Первый»", "ИНН7707083893 КПП 0 ООО «Первый»")
    documents = [document(Номер=str(number), Плательщик=name) for number, name in enumerate(names)]
    assert {each.payer.name for each in parse(statement(documents).encode()).documents} == {"ООО «Первый»"}


def test_zeros_are_no_kpp():
    documents = [document(Номер=zeros, ПлательщикКПП=zeros) for zeros in ("0", "000000000")]
    assert {each.payer.kpp for each in parse(statement(documents).encode()).documents} == {""}


def test_an_account_of_the_other_side_has_any_form():
    abroad = outgoing(Номер="1", ПолучательСчет="KZ86 125K ZT50 0410 0100", НазначениеПлатежа="Оплата по договору 7")
    fee = outgoing(Номер="2", ПолучательСчет="", НазначениеПлатежа="Комиссия банка")
    from_abroad = document(Номер="3", ПлательщикСчет="KZ86125KZT5004100100")
    unknown = document(Номер="4", ПлательщикСчет="")
    found = taken(statement([document(), abroad, fee, from_abroad, unknown]))
    assert (found.came.count, found.other_outgoing.count, found.odd) == (3, 2, ())
    assert [each.document.other_account for each in found.payments if each.document] == [
        THEIRS,
        "KZ86125KZT5004100100",
        None,
    ]


def test_our_account_is_known_with_blanks_in_it_and_behind_a_correspondent():
    spaced = document(Номер="1", ПолучательСчет="40702 810 0 0000 0000001")
    behind = document(Номер="2", ПолучательСчет="30101810400000000225", ПолучательРасчСчет=OURS)
    text = with_total(statement([spaced, behind]), "40320.00")
    assert taken(text.replace(f"РасчСчет={OURS}", "РасчСчет=40702.810.0.00000000001")).came.count == 2


def test_dollars_are_not_taken_for_roubles():
    dollars = "40702840000000000001"
    text = statement([document(ПолучательСчет=dollars), outgoing(ПлательщикСчет=dollars)], account=dollars)
    found = taken(text)
    assert (found.payments, found.returns) == ((), ())
    assert [each.problems[0].message for each in found.odd] == [f"счёт {dollars} в валюте: сумма не в рублях."] * 2


@pytest.mark.parametrize(
    "kind", ["Мемориальный ордер", "Инкассовое поручение", "Банковский ордер", "Платежное требование"]
)
def test_documents_of_every_kind_are_money(kind: str):
    assert taken(statement([document(СекцияДокумент=kind)])).came.count == 1


# Texts and lines


@pytest.mark.parametrize(
    "behind",
    [
        "без НДС {53=20160.00} по счету № 2026-0000007",
        "Сумма=20160.00 по счету № 2026-0000007",
        "Сумма=1 по счету\nДата=05.03.2026 № 2026-0000007",
        "НДС=3360.00\nсчет № 2026-0000007",
        "\n  по счету\n\tсчет № 2026-0000007",
        "конец месяца=март, счет № 2026-0000007",
        "НазначениеПлатежа=счет № 2026-0000007",
        "по счету\x0b№ 2026-0000007",
    ],
)
def test_a_purpose_runs_on(behind: str):
    found = taken(statement([document(НазначениеПлатежа=f"Оплата за ПО\n{behind}", Очередность="5")]))
    (payment,) = found.payments
    assert (payment.invoice_number, payment.amount, found.odd) == ("2026-0000007", D("20160.00"), ())
    assert payment.purpose.startswith("Оплата за ПО ")
    assert "Очередность" not in payment.purpose


def test_a_key_of_the_banks_own_ends_a_purpose():
    sent = document(НазначениеПлатежа="счет № 2026-0000007", НомерДокументаБанка="2026-0000008", УИН="0")
    (payment,) = taken(statement([sent])).payments
    assert payment.invoice_number == "2026-0000007"
    assert "0000008" not in payment.purpose


def test_what_a_payer_writes_is_read_in_a_moment():
    """Nothing that a text brings makes the reading take more than its length."""
    purpose = "\n".join(["Оплата" + "П" * 20_000 + " по договору = 100", *("слово" * 10 for _ in range(100_000))])
    odd = document(Номер="2", Сумма="- " * 100_000 + "1", Дата="1" + " " * 100_000 + "1", Плательщик="ИНН " * 100_000)
    begun = time.process_time()
    found = taken(statement([document(НазначениеПлатежа=purpose, УИН="0"), odd], totals=False))
    assert time.process_time() - begun < 10
    assert (found.came.count, len(found.odd), len(found.payments[0].purpose)) == (1, 1, 2_000)


@pytest.mark.parametrize(
    "behind", ["ПлательщикИНН=7736050003", "Плательщик1=ИНН 7736050003 ООО", "Очередность=5\nПлательщикСчет=1\nслово"]
)
def test_a_payer_does_not_say_by_the_purpose_who_has_paid(behind: str):
    sent = document(НазначениеПлатежа=f"Оплата\n{behind}", ПлательщикСчет="")
    del sent["ПлательщикИНН"]
    (payment,) = taken(statement([sent])).payments
    assert payment.document is not None
    assert (payment.payer_inn, payment.document.other_account) == ("0", None)
    assert payment.purpose == f"Оплата {behind.removeprefix('Очередность=5')}".replace("\n", " ").replace("  ", " ")


def test_a_bank_may_write_the_sides_behind_the_purpose():
    keys = sorted(document().items(), key=lambda each: ("Сек" not in each[0], each[0].startswith("П"), each[0]))
    budget = {**document(Номер="2"), "СтатусСоставителя": "01", "ПлательщикКПП": "773601001", "ПолучательКПП": "7"}
    found = taken(statement([dict(keys), budget]))
    assert [each.payer_inn for each in found.payments] == ["7707083893"] * 2
    assert {each.purpose for each in found.payments} == {document()["НазначениеПлатежа"]}


def test_many_keys_of_sides_behind_the_purpose_are_for_a_person():
    sent = document()
    behind = {key: sent.pop(key) for key in ("ПлательщикИНН", "ПлательщикБИК", "ПолучательИНН")}
    (odd,) = taken(statement([sent | behind])).odd
    assert "«ПолучательИНН» после назначения платежа" in odd.problems[0].message


def test_a_second_document_without_its_beginning_is_no_purpose():
    lost = statement([document(), document(Номер="118", Сумма="777.00", Дата="01.03.2026")], totals=False)
    lost = lost.replace("КонецДокумента\nСекцияДокумент=Платежное поручение\n", "")
    found = taken(lost)
    assert found.payments == ()
    assert "второй раз" in found.odd[0].problems[0].message


@pytest.mark.parametrize(
    ("spoil", "begins"),
    [
        (lambda text: text.replace("СекцияДокумент=Платежное поручение\n", "", 1), "Номер=117\n"),
        (lambda text: text.replace("СекцияДокумент=", "Секц?", 1), "Секц?Платежное поручение\n"),
        (lambda text: text.replace("СекцияДокумент=", "СекцияДокумент5=", 1), "СекцияДокумент5="),
        (lambda text: text.replace("КонецДокумента\n", "КонецДокумента\n" * 2, 1), "КонецДокумента"),
        (lambda text: text.replace("КонецДокумента\n", "КонецДокумента\nстрока\n", 1), "строка"),
    ],
)
def test_a_document_without_its_first_line_is_odd(spoil, begins: str):
    read = parse(spoil(statement([document(), document(Номер="200", Сумма="5400.00")])).encode())
    assert {each.number for each in read.documents} >= {"200"}
    (odd,) = read.odd
    assert "документ без начала" in odd.problems[0].message
    assert read.text_of(odd).startswith(begins)


def test_the_same_key_with_the_same_value_is_said_twice():
    assert taken(statement([document()]).replace("Номер=117\n", "Номер=117\nНомер=117\nНомер=\n")).came.count == 1


def test_a_name_runs_on_and_a_tab_is_a_blank():
    (payment,) = taken(statement([document(Плательщик="ООО «Первый\nПартнёр»", Номер="11\t7")])).payments
    assert payment.document is not None
    assert (payment.document.other_name, payment.document.number) == ("ООО «Первый Партнёр»", "11 7")


def test_sections_that_nobody_knows_are_left_alone():
    extra = "СекцияОстатки\nОстаток=5\nтекст\nКонецОстатки\n"
    assert taken(statement([document()]).replace("СекцияДок", f"{extra}СекцияДок", 1)).came.count == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\n \n" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n \n\x1a",
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace("\n", "\r\r\n"),
        lambda text: text.replace("=", " =  ").replace("КонецДокумента", "  КонецДокумента  "),
        lambda text: text.replace("КонецДокумента", "КонецДокумента=").replace("КонецРасчСчет", "КонецРасчСчет="),
    ],
)
def test_lines_as_programs_write_them(change):
    assert taken(change(statement([document()]))).came.count == 1


def test_the_period_may_stand_with_the_accounts_only():
    text = statement([document()])
    header, rest = text.split("СекцияРасчСчет", 1)
    header = re.sub("Дата(Начала|Конца)=.*\n", "", header)
    read = parse(f"{header}СекцияРасчСчет{rest}".encode())
    assert (read.first, read.last) == (date(2026, 3, 1), date(2026, 3, 31))


# What only a total can tell


def test_two_equal_payments_are_two_where_the_total_proves_it():
    found = taken(statement([document(), document()]))
    one, two = found.payments
    assert (found.came.amount, found.repeated.count, one.payment_id != two.payment_id) == (D("40320.00"), 0, True)
    assert one.payment_id == taken(statement([document()])).payments[0].payment_id, "the id that it has always had"
    assert found.payments == taken(statement([document(), document()], first="02.03.2026")).payments


def test_the_same_document_twice_is_one_where_the_total_counts_one():
    found = taken(with_total(statement([document(), document()]), "20160.00"))
    assert (found.came.count, found.repeated.count, found.odd) == (1, 1, ())


def test_without_a_total_a_person_is_asked():
    found = taken(statement([document(), document(), outgoing(Номер="5"), outgoing(Номер="5")], totals=False))
    assert (found.came.count, found.went_back.count) == (1, 1)
    assert [each.problems[0].message[:27] for each in found.odd] == ["такой же документ уже есть "] * 2


def test_equal_fees_without_a_total_ask_nobody():
    fee = outgoing(НазначениеПлатежа="Комиссия банка")
    found = taken(statement([document(), fee, fee], totals=False))
    assert (found.came.count, found.other_outgoing.count, found.odd) == (1, 2, ())


def test_which_of_equal_ones_came_twice_is_asked_if_the_total_does_not_say():
    pair = [document(), document(), document(Номер="9"), document(Номер="9")]
    found = taken(with_total(statement(pair), "60480.00"))
    assert (found.came.count, len(found.odd)) == (2, 2)
    other_sum = [document(), document(), document(Номер="9", Сумма="1.00"), document(Номер="9", Сумма="1.00")]
    found = taken(with_total(statement(other_sum), "20162.00"))
    assert (found.came.amount, found.repeated.amount, found.odd) == (D("20162.00"), D("20160.00"), ())


def test_a_transfer_between_our_accounts_stands_under_both():
    transfer = document(ПлательщикСчет=OURS, ПолучательСчет=SECOND, ДатаСписано="05.03.2026")
    found = taken(of_two_accounts([transfer, transfer], ("0", "20160.00", "20160.00", "0")))
    assert (found.internal.count, found.repeated.count, found.payments, found.odd) == (1, 1, (), ())
    paid = document(Номер="8", ПолучательСчет=SECOND, Сумма="500.00")
    found = taken(of_two_accounts([transfer, paid, transfer, paid], ("0", "20160.00", "21160.00", "0")))
    assert (found.internal.count, found.came.amount, found.odd) == (1, D("1000.00"), ())


def test_money_that_came_with_the_others_day_only():
    only_theirs = {**document(Номер="1"), "ДатаПоступило": "", "ДатаСписано": "05.03.2026"}
    proved = taken(with_total(statement([document(), only_theirs]), "40320.00"))
    assert {each.received_on for each in proved.payments} == {date(2026, 3, 5)}
    assert (proved.came.count, proved.odd) == (2, ())
    refuted = taken(statement([document(), only_theirs]))
    assert (refuted.came.count, refuted.not_moved.count) == (1, 1)
    assert taken(statement([only_theirs], totals=False)).came.count == 1
    gone = {**outgoing(), "ДатаСписано": "", "ДатаПоступило": "06.03.2026"}
    assert taken(with_total(statement([gone]), "0", "20160.00")).went_back.count == 1


def test_money_without_a_day_that_the_total_counts_is_odd():
    undated = {**document(Номер="1"), "ДатаПоступило": ""}
    found = taken(with_total(statement([document(), undated]), "40320.00"))
    assert (found.came.count, found.not_moved.count) == (1, 0)
    assert "банк не указал" in found.odd[0].problems[0].message


def test_totals_of_several_sections_of_an_account_add_up():
    text = statement([document(), document(Номер="2")])
    begin, end = text.index("СекцияРасчСчет"), text.index("КонецРасчСчет")
    section = text[begin:end] + "КонецРасчСчет\n"
    halves = section.replace("=40320.00", "=20 160,00")
    assert taken(text.replace(section, halves + halves)).came.count == 2
    with pytest.raises(BrokenStatement, match=r"поступило 60480\.00, а документов на 40320\.00"):
        parse(text.replace(section, section + halves).encode())


def test_with_kinds_selected_the_total_is_a_bound():
    """It counts documents that were not selected; a document of another kind shows that none were."""
    select = "Документ=Платежное требование\nДокумент=Платежное поручение\nСекцияРасчСчет"
    selected = statement([document(), document(Номер="2")]).replace("СекцияРасчСчет", select, 1)
    assert taken(with_total(selected, "50000.00")).came.count == 2
    with pytest.raises(BrokenStatement, match="больше, чем считает банк"):
        parse(with_total(selected, "40319.99").encode())
    for header in (selected.replace("СекцияДокумент=Платежное", "СекцияДокумент=Банковский", 1), selected):
        if header == selected:
            header = header.replace(select, "Документ=\nСекцияРасчСчет")
        with pytest.raises(BrokenStatement, match="файл неполон"):
            parse(with_total(header, "50000.00").encode())


def test_a_document_that_was_lost_shows_beside_an_odd_one():
    documents = [document(), document(Номер="2", Дата="?")]
    assert len(taken(statement(documents)).odd) == 1
    with pytest.raises(BrokenStatement, match="файл неполон") as broken:
        parse(with_total(statement(documents), "40320.01").encode())
    assert len(broken.value.problems) == 2, "what is odd is told as well"


@settings(max_examples=200)
@for_all(
    st.lists(st.tuples(st.sampled_from(["1.00", "2.00", "20160.00"]), st.integers(1, 3)), min_size=1, max_size=8),
    st.data(),
)
def test_what_is_booked_is_never_more_than_the_total(drawn: list[tuple[str, int]], data: st.DataObject):
    """Of copies so many are true as the bank counts: all that it counts is booked or asked about, nothing more."""
    documents, counted = [], D(0)
    for number, (amount, copies) in enumerate(drawn):
        documents += [document(Номер=str(number), Сумма=amount)] * copies
        counted += D(amount) * data.draw(st.integers(1, copies))
    found = taken(with_total(statement(documents), str(counted)))
    asked = sum((each.amount or D(0) for each in found.odd), D(0))
    assert found.came.amount <= counted <= found.came.amount + asked
    assert found.came.amount + asked + found.repeated.amount == sum(D(each["Сумма"]) for each in documents)
    assert sum(each.amount for each in found.payments) == found.came.amount


def test_text_of_a_document_is_as_it_stands_in_the_file():
    read: BankStatement = parse(statement([document(), document(Номер="2", Сумма="?")], totals=False).encode())
    assert read.text_of(read.odd[0]).split("\n")[:4] == [
        "СекцияДокумент=Платежное поручение",
        "Номер=2",
        "Дата=04.03.2026",
        "Сумма=?",
    ]
