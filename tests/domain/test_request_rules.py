"""The rules of a request: one home for what approval decides and what the form and the API say before it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from events.checks import INN_WEIGHTS, is_inn
from events.request import REQUEST_TYPE
from postavka.domain.request_rules import LONGEST_QUOTE, REQUIRED, RULES, Asked, shortcoming, shortcomings
from postavka.web.problem import of_validation
from services.cabinet.api.bodies import CompanyQuestion, PublicActivation
from services.cabinet.api.models import NewRequest
from services.cabinet.view.form import LABELS

BODY = {
    "contact_id": "c-1",
    "base_delivery_id": "upp-13",
    "registration_number": "12345678",
    "product_id": "its-12",
    "inn": "7707083893",
    "kpp": "773601001",
    "buyer": "АО «Завод»",
}


def said_by_api(model: type[BaseModel], body: object) -> dict[str, tuple[str, str]]:
    """Pointer → code and sentence of each mistake; empty: taken."""
    try:
        model.model_validate(body)
    except ValidationError as wrong:
        problem = of_validation(RequestValidationError(wrong.errors()))
        json.dumps(problem.body().model_dump(mode="json"))
        return {each.pointer: (each.code, each.detail) for each in problem.errors}
    return {}


def test_a_rule_has_one_test_and_its_field_is_one_that_people_fill_in_or_the_partners() -> None:
    for rule in RULES:
        assert (rule.alone is None) != (rule.against is None), rule
        assert rule.field in LABELS or rule.field in ("partner_id", "request_type"), rule


def test_two_rules_of_a_field_have_two_codes() -> None:
    assert len({(rule.field, rule.code) for rule in RULES}) == len(RULES)


def test_what_every_request_needs() -> None:
    needed = {"request_type", "contact_id", "base_delivery_id", "product_id", "registration_number", "inn", "buyer"}
    assert needed == REQUIRED


def refusal(**typed: str) -> list[str]:
    """The sentences of a refusal."""
    return [each.message for each in shortcomings(Asked.of(typed), None, quoting=True)]


def test_a_refusal_repeats_what_was_typed_as_it_is_and_not_endlessly() -> None:
    assert "Регистрационный номер «{product}» должен состоять из 7–10 цифр." in refusal(registration_number="{product}")
    assert any(f"«{'7' * LONGEST_QUOTE}…»" in each for each in refusal(inn="7" * (LONGEST_QUOTE + 1)))


def test_beside_its_field_a_sentence_does_not_repeat_it() -> None:
    assert shortcoming("registration_number", "12-34") == "Регистрационный номер должен состоять из 7–10 цифр."
    assert shortcoming("inn", "7707083893") == ""
    for rule in RULES:
        plain = rule.reason(Asked(), None, quoting=False).message
        assert plain[0].isupper(), plain
        assert "  " not in plain, plain
        assert " :" not in plain, plain


def test_weights_of_check_digits_are_those_of_both_lengths() -> None:
    assert {length: [len(each) for each in rows] for length, rows in INN_WEIGHTS.items()} == {10: [9], 12: [10, 11]}
    assert is_inn("7707083893")
    assert is_inn("500100732259")


@pytest.mark.parametrize(
    "changes",
    [
        {"inn": "7707083890"},
        {"inn": "77070838"},
        {"inn": "", "kpp": "1"},
        {"inn": "500100732259"},
        {"kpp": None},
        {"kpp": "77360100"},
        {"buyer": "  "},
        {"registration_number": "12-34", "contact_id": None},
        dict.fromkeys(BODY),
    ],
)
def test_the_api_says_what_approval_would_say(changes: dict[str, Any]) -> None:
    body = {**BODY, **changes}
    reasons = shortcomings(Asked.of({"request_type": REQUEST_TYPE, **body}), None, quoting=False)
    assert said_by_api(NewRequest, body) == {f"#/{each.field}": (each.code, each.message) for each in reasons}


def test_beside_them_the_api_says_what_is_wrong_with_the_format() -> None:
    said = said_by_api(NewRequest, {**BODY, "inn": 77, "kpp": "x", "surprise": 1, "client_email": "нет"})
    assert said.keys() == {"#/inn", "#/kpp", "#/surprise", "#/client_email"}
    assert said["#/inn"][1] == "Нужна строка."
    assert said["#/surprise"][0] == "extra_forbidden"
    assert "«@»" in said["#/client_email"][1]
    assert said_by_api(NewRequest, {**BODY, "inn": " 7707083893"}).keys() == {"#/inn"}
    assert said_by_api(NewRequest, []).keys() == {"#"}
    assert said_by_api(NewRequest, BODY) == {}


def test_other_bodies_with_a_field_of_a_request_say_it_too() -> None:
    assert said_by_api(CompanyQuestion, {"inn": "7707083890"})["#/inn"] == (
        "malformed", shortcoming("inn", "7707083890"),
    )  # fmt: skip
    activation = said_by_api(PublicActivation, {"registration_number": "12", "code": "K"})
    assert activation == {"#/registration_number": ("malformed", shortcoming("registration_number", "12"))}
