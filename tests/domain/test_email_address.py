"""Addresses as people type them: what can be mailed is taken, everything else is told why not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postavka.domain.email_address import BadAddress, is_address, read_address, read_mailbox


@pytest.mark.parametrize(
    ("typed", "travels"),
    [
        ("zakaz@mail.ru", "zakaz@mail.ru"),
        ("  zakaz@mail.ru\n", "zakaz@mail.ru"),
        ("Zakaz@MAIL.ru", "Zakaz@mail.ru"),
        ("o'neil+1c@sub-1.example.org", "o'neil+1c@sub-1.example.org"),
        ("zakaz@почта.рф", "zakaz@xn--80a1acny.xn--p1ai"),
        ("zakaz@ПОЧТА.РФ", "zakaz@xn--80a1acny.xn--p1ai"),
        ("zakaz@xn--80a1acny.xn--p1ai", "zakaz@xn--80a1acny.xn--p1ai"),
        ("zakaz@mail.почта.рф", "zakaz@mail.xn--80a1acny.xn--p1ai"),
        ("zakaz@bücher.example", "zakaz@xn--bcher-kva.example"),
        ("zakaz@r3---sn.example", "zakaz@r3---sn.example"),
        (f"{'a' * 64}@b.ru", f"{'a' * 64}@b.ru"),
    ],
)
def test_what_can_be_mailed_is_taken(typed: str, travels: str):
    assert read_address(typed).ascii == travels


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "один знак «@»"),
        ("почта", "один знак «@»"),
        ("a@b@c.ru", "один знак «@»"),
        ("@mail.ru", "нет имени"),
        ("иванов@mail.ru", "русскую букву «и»"),
        ("ivаnov@mail.ru", "русскую букву «а»"),
        ("a..b@mail.ru", "точка"),
        (".a@mail.ru", "точка"),
        ("a.@mail.ru", "точка"),
        ('"a b"@mail.ru', '«"» нельзя'),
        ("a b@mail.ru", "невидимый знак"),
        ("a\u200bb@mail.ru", "невидимый знак"),
        ("mailto:a@mail.ru", "«:» нельзя"),
        ("Иван <a@mail.ru>", "нельзя"),
        ("a@mail.ru, b", "нельзя"),
        ("a@mail.ru;", "«;» нельзя"),
        ("a\r\nBcc: b@mail.ru", "невидимый знак"),
        (f"{'a' * 65}@mail.ru", "больше 64"),
        ("=?utf-8?q?x?=@mail.ru", "«=?»"),
        ("user@mail..ru", "через одну точку"),
        ("user@mail.ru.", "через одну точку"),
        ("user@.mail.ru", "через одну точку"),
        ("user@mail", "вида example.ru"),
        ("user@", "вида example.ru"),
        ("user@-mail.ru", "дефис"),
        ("user@mail-.ru", "дефис"),
        ("user@ma_il.ru", "«_» нельзя"),
        ("user@mail ru", "невидимый знак"),
        ("user@[127.0.0.1]", "«[» нельзя"),
        ("user@127.0.0.1", "числом"),
        ("user@mаil.ru", "смешаны русские и латинские"),
        ("user@xn--a.ru", "частью домена"),
        ("user@-почта.рф", "частью домена"),
        (f"user@{'a' * 64}.ru", "до 63"),
        (f"user@{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 63}.ru", "длиннее 254"),
    ],
)
def test_what_cannot_be_mailed_is_told_why(typed: str, said: str):
    with pytest.raises(BadAddress) as told:
        read_address(typed)
    assert said in told.value.russian
    assert str(told.value).isascii() or "'" in str(told.value)
    assert not is_address(typed)


@given(st.text(max_size=40), st.text(max_size=40))
def test_what_is_taken_travels_as_ascii_and_is_read_as_itself(name: str, domain: str):
    typed = f"{name}@{domain}"
    if is_address(typed):
        travels = read_address(typed).ascii
        assert travels.isascii()
        assert not set(travels) & set(' \t\r\n,;:<>()[]\\"')
        assert read_address(travels).ascii == travels


def test_a_senders_name_stands_before_the_address():
    assert read_mailbox("ООО «Поставка» <orders@почта.рф>") == ("ООО «Поставка»", read_address("orders@почта.рф"))
    assert read_mailbox("orders@postavka.test") == ("", read_address("orders@postavka.test"))
    with pytest.raises(BadAddress):
        read_mailbox("«Поставка», сервисы <a@b.ru>")
