"""What pages say, without a browser: the form's checks, the sentence at the top, the way, formats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.approval import Rejected
from events.model import Channel, Unacceptable
from events.request import PROCEDURE, REQUEST_TYPE, RequestSubmitted
from postavka.domain.calendar import today
from postavka.domain.reference.file import read_file
from postavka.domain.reference.request_facts import facts_from
from postavka.domain.reference.store import Snapshot, _entries_of, _snapshot_of
from postavka.web import formats
from services.approval import decider as approval
from services.cabinet import timeline
from services.cabinet.fold import Row, status
from services.cabinet.view import steps
from services.cabinet.view.form import Choices, Typed, choices, is_request_id, mistakes
from services.cabinet.view.now import Act, Viewer, now
from services.cabinet.view.steps import shown_steps
from services.cabinet.words import STAGES, WITHDRAWABLE, period, product_name, stage_of
from tests.paths import PROJECT

SAMPLE = PROJECT / "deploy" / "reference" / "sample.toml"
PARTNER = "lukomor"
COMPLETE = Typed(
    request_id="5f0c0d6e-8a35-4f0c-9d0a-5d3c2c3f9d10",
    contact_id="lukomor-1",
    distributor_id="dist-north",
    base_delivery_id="industry-dairy",
    registration_number="10000012",
    product_id="its-industry-12",
    inn="7707083893",
    kpp="773601001",
    buyer="АО «Завод точных весов»",
)


@cache
def sample() -> Snapshot:
    entries = _entries_of(read_file(SAMPLE))
    return _snapshot_of(1, [(kind, key, dict(body)) for (kind, key), body in entries.items()])


@pytest.fixture
def reference() -> Snapshot:
    return sample()


@pytest.fixture
def lists(reference: Snapshot) -> Choices:
    return choices(reference, PARTNER)


def typed(**changes: str) -> Typed:
    return Typed.of({**{name: getattr(COMPLETE, name) for name in COMPLETE.__slots__}, **changes})


class TestForm:
    def test_a_complete_one_has_no_mistakes(self, reference: Snapshot) -> None:
        assert mistakes(COMPLETE, reference, PARTNER) == {}

    def test_directly_and_for_a_sole_trader_too(self, reference: Snapshot) -> None:
        assert mistakes(typed(distributor_id="", inn="500100732259", kpp=""), reference, PARTNER) == {}

    def test_an_empty_one_names_every_required_field_in_the_order_of_the_form(self, reference: Snapshot) -> None:
        assert list(mistakes(Typed(), reference, PARTNER)) == [
            "contact_id", "base_delivery_id", "registration_number", "product_id", "inn", "buyer",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("changes", "field", "words"),
        [
            ({"contact_id": "romashka-1"}, "contact_id", "нет в вашем списке"),
            ({"distributor_id": "dist-south"}, "distributor_id", "нет в списке"),
            ({"base_delivery_id": "nothing"}, "base_delivery_id", "нет в списке"),
            ({"base_delivery_id": "upp-13"}, "product_id", "не подходит"),
            ({"product_id": "envelope"}, "product_id", "нет в списке"),
            ({"base_delivery_id": "accounting-30"}, "product_id", "не подходит"),
            ({"registration_number": "12-34"}, "registration_number", "7–10 цифр"),
            ({"registration_number": "١٢٣٤٥٦٧"}, "registration_number", "7–10 цифр"),
            ({"inn": "7707083890"}, "inn", "правильными контрольными"),
            ({"inn": "77070838"}, "inn", "нужно 10 или 12 цифр"),
            ({"inn": "77O7083893"}, "inn", "ИНН неверен"),
            ({"kpp": ""}, "kpp", "Укажите КПП"),
            ({"kpp": "77360100"}, "kpp", "9 знаков"),
            ({"inn": "500100732259"}, "kpp", "оставьте поле пустым"),
            ({"buyer": "  "}, "buyer", "Укажите покупателя"),
            ({"buyer": "Ы" * 501}, "buyer", "не больше 500"),
            ({"comment": "ы" * 2_001}, "comment", "не больше 2000"),
            ({"client_email": "почта"}, "client_email", "один знак «@»"),
            ({"client_email": "иванов@mail.ru"}, "client_email", "русскую букву «и»"),
            ({"client_email": "a@mail..ru"}, "client_email", "Исправьте адрес или оставьте поле пустым"),
            ({"client_email": "a" * 501 + "@mail.ru"}, "client_email", "не больше 500"),
            ({"client_phone": "1" * 501}, "client_phone", "не больше 500"),
        ],
    )
    def test_each_mistake_is_said_at_its_field(
        self, reference: Snapshot, changes: Mapping[str, str], field: str, words: str
    ) -> None:
        found = mistakes(typed(**changes), reference, PARTNER)
        assert list(found) == [field]
        assert words in found[field]

    def test_blanks_around_do_not_matter(self, reference: Snapshot) -> None:
        assert mistakes(typed(inn=" 7707083893 ", registration_number=" 10000012"), reference, PARTNER) == {}

    def test_lists_are_the_partners_own(self, reference: Snapshot, lists: Choices) -> None:
        assert [each.value for each in lists.contacts] == ["lukomor-1", "lukomor-2", "lukomor-3"]
        assert choices(reference, "nobody").contacts == []

    def test_what_nothing_can_be_bought_for_is_not_offered(self, lists: Choices) -> None:
        assert not {"accounting-30", "trade-11"} & {each.value for each in lists.base_deliveries}

    def test_base_delivery_and_product_filter_each_other(self, lists: Choices) -> None:
        assert {each.value for each in lists.products_for("upp-13")} == {
            "upp-extension-01", "upp-extension-03", "upp-extension-06", "upp-extension-12",
        }  # fmt: skip
        assert {each.value for each in lists.bases_for("upp-extension-03")} == {"upp-13", "upp-13-10"}
        assert len(lists.products_for("")) == 8
        assert len(lists.products_for("a-delivery-that-is-sold-no-more")) == 8

    def test_only_known_fields_are_taken_from_what_was_sent(self) -> None:
        assert Typed.of({"inn": 7707083893, "partner_id": "other", "kpp": None}) == Typed(inn="7707083893")

    def test_a_copy_is_another_request(self) -> None:
        copy = COMPLETE.renewed()
        assert is_request_id(copy.request_id)
        assert copy.request_id != COMPLETE.request_id

    @pytest.mark.parametrize("text", ["", "1", "5F0C0D6E-8A35-4F0C-9D0A-5D3C2C3F9D10", "{5f0c0d6e}", "x" * 36])
    def test_an_id_is_a_uuid_as_it_is_written_everywhere(self, text: str) -> None:
        assert not is_request_id(text)


VALUES = {
    "contact_id": ["", "lukomor-1", "romashka-1"],
    "distributor_id": ["", "dist-north", "dist-south"],
    "base_delivery_id": ["", "upp-13", "industry-dairy", "nothing"],
    "registration_number": ["", "10000012", "12-34", "123", "12345678901"],
    "product_id": ["", "its-industry-12", "upp-extension-01", "envelope"],
    "inn": ["", "7707083893", "7707083890", "500100732259", "50010073225", "abc"],
    "kpp": ["", "773601001", "0066AB001", "77360100", "abc"],
    "buyer": ["", "АО «Завод»"],
}


@given(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in VALUES.items()}))
def test_the_form_sends_exactly_what_approval_approves_and_says_the_same(fields: dict[str, str]) -> None:
    reference = sample()
    form = Typed(request_id=COMPLETE.request_id, **fields)
    submitted = RequestSubmitted(procedure=PROCEDURE, partner_id=PARTNER, submitted_by="anybody", **form.command())
    facts = facts_from(reference, PARTNER, approval.Asked.of(dict(submitted)), today())
    decision = approval.decide(approval.INITIAL, submitted, facts)
    assert not isinstance(decision, Unacceptable)
    (event,) = decision
    said = {each.field: each.message for each in event.reasons} if isinstance(event, Rejected) else {}
    unquoted = {
        field: re.sub(rf" «{re.escape(fields[field])}»", "", message) for field, message in said.items() if field
    }
    assert mistakes(form, reference, PARTNER) == unquoted


AT = "2026-03-16T09:30:00.000000Z"
ASKED = {"submitted_at": AT, "distributor_id": "dist-north"}
APPROVED = {"approved_at": AT, "channel": "distributor", "distributor": {"name": "ООО «Склад»"}}
DIRECT = {"approved_at": AT, "channel": "direct", "distributor": None}
INVOICE = {"invoice": {"number": "2026-1", "issued_on": "2026-03-16", "amount": "20160.00", "issued_at": AT}}
SHIPPED = {"ordered_at": AT, "shipped_at": AT, "kit": {"number": "1", "name": "Комплект"}}
REFUSED = {"refusals": [{"at": AT, "reason": {"message": "Договор 1С:ИТС не действует."}}]}
ACTIVE = {"activated_at": AT, "service_from": "2026-03-16", "service_until": "2027-03-15"}

ROWS: dict[str, Row] = {
    "submitted": {"request": ASKED},
    "rejected": {"request": ASKED, "approval": {"rejected_at": AT, "reasons": [{"message": "Нет."}]}},
    "awaiting-confirmation": {"request": ASKED, "approval": APPROVED},
    "awaiting-payment": {"request": {"submitted_at": AT}, "approval": DIRECT, "billing": INVOICE},
    "declined": {
        "request": ASKED, "approval": APPROVED, "billing": {"declined_at": AT, "confirmation": {"note": "Долг"}},
    },
    "withdrawn": {"request": {**ASKED, "withdrawn_at": AT}, "approval": APPROVED},
    "manufacturing": {
        "request": ASKED, "approval": APPROVED, "billing": {"confirmed_at": AT}, "shipping": {"ordered_at": AT},
    },
    "shipped": {"request": ASKED, "approval": APPROVED, "billing": {"confirmed_at": AT}, "shipping": SHIPPED},
    "activated": {
        "request": ASKED, "approval": APPROVED, "billing": {"confirmed_at": AT}, "shipping": SHIPPED,
        "activation": ACTIVE,
    },
}  # fmt: skip


class TestNow:
    def test_there_is_a_sentence_for_every_status_and_reader(self) -> None:
        for wanted, row in ROWS.items():
            assert status(row) == wanted
            for reader in Viewer:
                said = now(row, reader)
                assert said.stage is STAGES[wanted]
                assert said.sentence.endswith((".", "?"))
                assert (said.act is None) == (said.label == "")

    @pytest.mark.parametrize(
        ("wanted", "reader", "act"),
        [
            ("rejected", Viewer.PARTNER, Act.COPY),
            ("declined", Viewer.PARTNER, Act.COPY),
            ("withdrawn", Viewer.PARTNER, Act.COPY),
            ("awaiting-confirmation", Viewer.PARTNER, None),
            ("awaiting-confirmation", Viewer.DISTRIBUTOR, Act.CONFIRM),
            ("awaiting-payment", Viewer.PARTNER, Act.INVOICE),
            ("awaiting-payment", Viewer.OFFICE, None),
            ("shipped", Viewer.PARTNER, Act.ACTIVATE),
            ("shipped", Viewer.DISTRIBUTOR, None),
            ("activated", Viewer.PARTNER, None),
        ],
    )
    def test_the_button_is_there_for_whose_turn_it_is(self, wanted: str, reader: Viewer, act: Act | None) -> None:
        assert now(ROWS[wanted], reader).act is act

    def test_it_names_whom_we_wait_for(self) -> None:
        assert "ООО «Склад»" in now(ROWS["awaiting-confirmation"], Viewer.PARTNER).sentence

    def test_it_names_what_is_still_to_pay(self) -> None:
        row: Row = {**ROWS["awaiting-payment"], "billing": {**INVOICE, "paid": "10000.00", "due": "10160.00"}}
        assert "Осталось оплатить 10\u00a0160,00" in now(row, Viewer.PARTNER).sentence

    def test_a_refused_activation_says_why_and_can_be_tried_again(self) -> None:
        said = now({**ROWS["shipped"], "activation": REFUSED}, Viewer.PARTNER)
        assert "Договор 1С:ИТС не действует." in said.sentence
        assert said.label == "Повторить активацию"

    def test_a_note_of_the_distributor_is_passed_on(self) -> None:
        assert "Причина: Долг." in now(ROWS["declined"], Viewer.PARTNER).sentence


class TestWay:
    @pytest.mark.parametrize(
        ("wanted", "states"),
        [
            ("submitted", "done here ahead ahead ahead"),
            ("rejected", "done failed ahead ahead ahead"),
            ("awaiting-confirmation", "done done here ahead ahead"),
            ("awaiting-payment", "done done here ahead ahead"),
            ("declined", "done done failed ahead ahead"),
            ("withdrawn", "done done failed ahead ahead"),
            ("manufacturing", "done done done here ahead"),
            ("shipped", "done done done done here"),
            ("activated", "done done done done done"),
        ],
    )
    def test_how_far(self, wanted: str, states: str) -> None:
        assert " ".join(step.state for step in shown_steps(ROWS[wanted])) == states

    def test_a_part_of_the_sum_is_not_paid(self) -> None:
        row: Row = {**ROWS["awaiting-payment"], "billing": {**INVOICE, "payments": [{"at": AT}], "due": "1.00"}}
        assert [step.state for step in shown_steps(row)][2] == "here"

    def test_words_follow_the_channel(self) -> None:
        assert [step.word for step in shown_steps(ROWS["awaiting-payment"])][2] == "Оплачена"
        assert [step.word for step in shown_steps(ROWS["submitted"])][2] == "Подтверждена"

    def test_another_kind_of_request_has_a_way_and_a_timeline_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sent, _, _, sold, _ = steps.PATHS[REQUEST_TYPE][Channel.DIRECT]
        monkeypatch.setattr(steps, "PATHS", {**steps.PATHS, "gift": dict.fromkeys(Channel, (sent, sold))})
        parts = timeline.PARTS[REQUEST_TYPE]
        short = {**timeline.PARTS, "gift": {stage: parts[stage] for stage in ("request", "activation")}}
        monkeypatch.setattr(timeline, "PARTS", short)
        row: Row = {**ROWS["shipped"], "request": {**ASKED, "request_type": "gift"}}
        assert [(step.word, step.state) for step in shown_steps(row)] == [("Отправлена", "done"), ("Продана", "done")]
        assert [moment.kind for moment in timeline.timeline(row, "ООО «Вендор»")] == ["submitted"]
        assert len(shown_steps(ROWS["shipped"])) == 5
        assert len(timeline.timeline(ROWS["shipped"], "ООО «Вендор»")) > 1

    def test_a_kind_of_request_that_is_not_known_is_shown_like_the_letters(self) -> None:
        row: Row = {**ROWS["rejected"], "request": {**ASKED, "request_type": "конверт"}}
        assert shown_steps(row) == shown_steps(ROWS["rejected"])


class TestWords:
    def test_statuses_are_those_of_the_cabinet(self) -> None:
        assert set(STAGES) == set(ROWS)
        assert set(STAGES) > WITHDRAWABLE
        assert stage_of("new one").word == "Неизвестно"

    def test_each_stage_has_a_word_and_a_shape_of_its_own(self) -> None:
        assert len({stage.word for stage in STAGES.values()}) == len(STAGES)
        assert len({stage.icon for stage in STAGES.values()}) == len(STAGES)

    @pytest.mark.parametrize(
        ("months", "words"), [(1, "1 месяц"), (3, "3 месяца"), (12, "12 месяцев"), (21, "21 месяц")]
    )
    def test_periods(self, months: int, words: str) -> None:
        assert period(months) == words.replace(" ", "\u00a0")

    def test_an_unknown_service_has_its_full_name(self) -> None:
        assert product_name("new", 12, "Новый сервис") == "Новый сервис"


class TestFormats:
    NOW = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("at", "text"),
        [
            ("2026-03-16T06:05:00Z", "сегодня, 9:05"),
            ("2026-03-15T21:05:00Z", "сегодня, 0:05"),
            ("2026-03-15T20:59:00Z", "вчера, 23:59"),
            ("2026-01-03T12:00:00Z", "3 янв., 15:00"),
            ("2025-11-03T12:00:00Z", "3 нояб. 2025, 15:00"),
        ],
    )
    def test_moments_are_moscows(self, at: str, text: str) -> None:
        assert formats.moment(at, self.NOW).replace("\u00a0", " ").replace(" г.", "") == text

    @pytest.mark.parametrize(
        ("amount", "text"),
        [("32400.00", "32 400,00 ₽"), (Decimal("0.50"), "0,50 ₽"), (None, "—"), ("", "—"), ("x", "x")],
    )
    def test_money(self, amount: Any, text: str) -> None:
        assert formats.money(amount).replace("\u00a0", " ") == text

    @pytest.mark.parametrize(
        ("number", "text"), [(1, "1 поле"), (3, "3 поля"), (11, "11 полей"), (1_234, "1 234 поля")]
    )
    def test_plurals(self, number: int, text: str) -> None:
        assert formats.plural(number, "поле", "поля", "полей").replace("\u00a0", " ") == text

    def test_days(self) -> None:
        assert formats.day("2026-03-16") == "16.03.2026"
        assert formats.day(None) == "—"
