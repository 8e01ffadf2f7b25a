"""Approval: complete is approved at once; otherwise every shortcoming is named, field by field (L1-L10, L12, L13)."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from events.approval import Approved, Rejected
from events.model import Channel
from events.reference import BaseDelivery, Client, Contact
from events.registry import decode, encode
from events.request import PROCEDURE, REQUEST_TYPE, RequestSubmitted
from postavka.kernel.testing.specification import Specification
from services.approval import decider
from services.approval.decider import Facts
from tests.services.histories import DISTRIBUTOR, PARTNER, PRODUCT

given = Specification(decider).given

CONTACT = Contact(id="c-1", name="Иванова Анна")
UPP = BaseDelivery(id="upp-13", name="1С:УПП")
FACTS = Facts(
    version=3,
    partner=PARTNER,
    contacts=MappingProxyType({"c-1": CONTACT}),
    distributor=DISTRIBUTOR,
    base_delivery=UPP,
    product=PRODUCT,
    fits=frozenset(["upp-13"]),
)
DIRECT = replace(FACTS, distributor=None)
ORGANISATION, PERSON = "7707083893", "500100732259"


def request(**changes: Any) -> RequestSubmitted:
    """A request with everything that is required, and nothing more (L12)."""
    fields: dict[str, Any] = {
        "procedure": PROCEDURE,
        "partner_id": "p-1",
        "submitted_by": "ivanova",
        "request_type": REQUEST_TYPE,
        "contact_id": "c-1",
        "distributor_id": "d-1",
        "base_delivery_id": "upp-13",
        "registration_number": "12345678",
        "product_id": "its-12",
        "inn": ORGANISATION,
        "kpp": "773601001",
        "buyer": "АО «Завод»",
    }
    return RequestSubmitted(**fields | changes)


FIELDS = [name for name in request().model_dump() if name not in ("procedure", "partner_id", "submitted_by")]
"""What a partner fills in."""

APPROVED = Approved(
    procedure=PROCEDURE,
    request_type=REQUEST_TYPE,
    channel=Channel.DISTRIBUTOR,
    partner=PARTNER,
    contact=CONTACT,
    distributor=DISTRIBUTOR,
    base_delivery=UPP,
    registration_number="12345678",
    product=PRODUCT,
    client=Client(inn=ORGANISATION, kpp="773601001", name="АО «Завод»"),
    reference_version=3,
)


def reasons(submitted: RequestSubmitted, facts: Facts = FACTS) -> list[tuple[str | None, str]]:
    """(field, code) of every reason; empty: approved."""
    (event,) = given().when(submitted, facts).decision
    if isinstance(event, Approved):
        return []
    assert event.partner_id == submitted.partner_id
    assert event.reference_version == facts.version
    assert all(reason.message for reason in event.reasons)
    return [(reason.field, reason.code) for reason in event.reasons]


# Approved


def test_a_complete_request_is_approved_with_all_facts_that_later_stages_need():  # L13
    given().when(request(), FACTS).then(APPROVED)


def test_without_a_distributor_it_is_a_direct_sale():  # L6
    direct = APPROVED.model_copy(update={"channel": Channel.DIRECT, "distributor": None})
    given().when(request(distributor_id=None), DIRECT).then(direct)
    given().when(request(distributor_id="  "), DIRECT).then(direct)


def test_a_sole_trader_has_no_kpp():  # L10
    client = Client(inn=PERSON, kpp=None, name="ИП Иванов")
    trader = APPROVED.model_copy(update={"client": client})
    given().when(request(inn=PERSON, kpp=None, buyer="ИП Иванов"), FACTS).then(trader)
    given().when(request(inn=PERSON, kpp=" ", buyer="ИП Иванов"), FACTS).then(trader)


def test_blanks_around_what_was_typed_do_not_count():
    padded = {name: f" {value}\t" for name, value in request().model_dump(exclude_none=True).items()}
    ours = {"procedure": PROCEDURE, "partner_id": "p-1", "submitted_by": "ivanova"}
    given().when(request(**padded | ours), FACTS).then(APPROVED)


def test_the_procedure_that_the_request_was_sent_under_goes_on():  # L20
    (event,) = given().when(request(procedure="its-electronic-2031"), FACTS).decision
    assert event.procedure == "its-electronic-2031"


def test_an_approval_says_what_kind_of_request_it_is():  # L4
    (event,) = given().when(request(request_type=f" {REQUEST_TYPE} "), FACTS).decision
    assert event.request_type == REQUEST_TYPE


def test_existence_of_the_registration_number_and_the_contract_are_not_looked_at():  # L2
    assert {"version", "partner", "contacts", "distributor", "base_delivery", "product", "fits"} == set(
        Facts.__dataclass_fields__
    ), "approval has no way to know of registrations and contracts"
    assert reasons(request(registration_number="0000000")) == []


def test_told_twice_it_is_decided_once_whatever_has_changed_since():
    given(APPROVED).when(request(), FACTS).then_nothing()
    given(APPROVED).when(request(), replace(FACTS, partner=None)).then_nothing()
    rejected = Rejected(partner_id="p-1", reasons=(), reference_version=1)
    given(rejected).when(request(), FACTS).then_nothing()


# Every shortcoming of its own


MISSING = [
    ("request_type", None, "missing"),
    ("request_type", "конверт", "unknown"),
    ("contact_id", None, "missing"),
    ("contact_id", "c-of-another-partner", "unknown"),
    ("base_delivery_id", None, "missing"),
    ("registration_number", None, "missing"),
    ("registration_number", "123456", "malformed"),
    ("registration_number", "12345678901", "malformed"),
    ("registration_number", "1234-5678", "malformed"),
    ("registration_number", "١٢٣٤٥٦٧", "malformed"),
    ("product_id", None, "missing"),
    ("inn", "7707083890", "malformed"),
    ("inn", "0000000000", "malformed"),  # its check digits fit
    ("inn", "77070838931", "malformed"),
    ("inn", "٧٧٠٧٠٨٣٨٩٣", "malformed"),
    ("kpp", None, "missing"),
    ("kpp", "77360100", "malformed"),
    ("kpp", "000000000", "malformed"),
    ("kpp", "7736010oo", "malformed"),
    ("buyer", None, "missing"),
]


@pytest.mark.parametrize(("field", "value", "code"), MISSING)
def test_one_thing_that_is_missing_or_wrong_is_the_one_reason(field: str, value: str | None, code: str):
    assert reasons(request(**{field: value})) == [(field, code)]
    if value is None:
        assert reasons(request(**{field: "   "})) == [(field, code)], "blanks are nothing"


def test_without_an_inn_nothing_is_said_of_the_kpp():
    assert reasons(request(inn=None)) == [("inn", "missing")]
    assert reasons(request(inn=None, kpp=None)) == [("inn", "missing")]
    assert reasons(request(inn=None, kpp="?")) == [("inn", "missing"), ("kpp", "malformed")]


def test_a_persons_inn_with_a_kpp():
    assert reasons(request(inn=PERSON)) == [("kpp", "not-allowed")]
    assert reasons(request(inn="500100732250")) == [("inn", "malformed"), ("kpp", "not-allowed")]


def test_a_partner_that_is_not_known_not_authorised_or_not_russian():  # L3
    assert reasons(request(), replace(FACTS, partner=None)) == [("partner_id", "unknown")]
    left = PARTNER.model_copy(update={"authorised": False})
    assert reasons(request(), replace(FACTS, partner=left)) == [("partner_id", "not-authorised")]
    foreign = PARTNER.model_copy(update={"country": "BY"})
    assert reasons(request(), replace(FACTS, partner=foreign)) == [("partner_id", "not-russian")]


def test_a_distributor_that_is_not_on_the_list():  # L6
    assert reasons(request(distributor_id="d-9"), DIRECT) == [("distributor_id", "unknown")]


def test_a_base_delivery_or_a_product_that_is_not_in_the_catalogue():  # L1, L7, L9
    assert reasons(request(), replace(FACTS, base_delivery=None)) == [("base_delivery_id", "unknown")]
    assert reasons(request(product_id="envelope"), replace(FACTS, product=None)) == [("product_id", "unknown")]


def test_a_product_that_does_not_fit_the_base_delivery():  # L7
    assert reasons(request(), replace(FACTS, fits=frozenset(["erp-2"]))) == [("product_id", "does-not-fit")]
    neither = replace(FACTS, base_delivery=None, fits=frozenset())
    assert reasons(request(), neither) == [("base_delivery_id", "unknown")], "said once"


# All of them


def test_every_shortcoming_is_named_in_the_order_of_the_form():
    nothing = request(**dict.fromkeys(FIELDS))
    nobody = replace(DIRECT, partner=None, contacts=MappingProxyType({}), base_delivery=None, product=None)
    assert reasons(nothing, nobody) == [
        ("partner_id", "unknown"),
        ("request_type", "missing"),
        ("contact_id", "missing"),
        ("base_delivery_id", "missing"),
        ("product_id", "missing"),
        ("registration_number", "missing"),
        ("inn", "missing"),
        ("buyer", "missing"),
    ]


def test_reasons_are_sentences_in_russian_that_quote_what_was_typed():
    (event,) = given().when(request(registration_number="12-34", inn="7707083890"), FACTS).decision
    assert [reason.message for reason in event.reasons] == [
        "Регистрационный номер «12-34» должен состоять из 7–10 цифр.",
        "ИНН «7707083890» неверен: нужно 10 или 12 цифр с правильными контрольными. Проверьте, нет ли опечатки.",
    ]


TYPED = st.none() | st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=2_000)


@for_all(st.fixed_dictionaries(dict.fromkeys(FIELDS, TYPED)), st.booleans())
def test_whatever_is_typed_there_is_an_answer_that_can_be_recorded(fields: dict[str, str | None], known: bool):
    """However long: a reason quotes what was typed, and must stay a text that an event can hold."""
    facts = FACTS if known else replace(DIRECT, partner=None, contacts={}, base_delivery=None, product=None)
    (event,) = given().when(request(**fields), facts).decision
    assert isinstance(event, Rejected)
    assert decode(event.TYPE, encode(event)) == event


@pytest.mark.parametrize("field", FIELDS)
def test_even_the_longest_text_in_a_field_is_answered(field: str):
    nowhere = replace(DIRECT, base_delivery=None, product=None)
    assert (field, "missing") not in reasons(request(**{field: "я" * 2_000}), nowhere)


@for_all(st.sets(st.sampled_from(FIELDS)))
def test_any_set_of_fields_left_out_gives_a_reason_for_each_that_is_required(left_out: set[str]):
    found = {field for field, _ in reasons(request(**dict.fromkeys(left_out)), FACTS)}
    optional = {"comment", "client_email", "client_phone", "distributor_id", "renews"} | (
        {"kpp"} if "inn" in left_out else set()
    )
    assert found == left_out - optional
