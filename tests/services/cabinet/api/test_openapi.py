"""The API's description: the committed file is what the code gives, valid, and complete."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from postavka.web.problem import CODES, EXPLANATIONS, MEDIA_TYPE
from services.cabinet.api import openapi

DOCUMENT: dict[str, Any] = openapi.document()
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def test_the_committed_file_is_what_the_code_gives():
    """After a change: `python -m services.cabinet.api.openapi`."""
    assert openapi.FILE.read_text("utf-8") == openapi.text()


def test_it_is_openapi_3_1():
    assert DOCUMENT["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(json.loads(openapi.text())).validate()


def test_every_operation_has_a_stable_id_of_its_own():
    ids = [operation["operationId"] for _, operation in OPERATIONS]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", each) for each in ids)


def test_published_operations_stay():
    """Clients are generated from these names: none may go or be renamed."""
    assert {
        "activateByCode", "activateDelivery", "answerRequest", "answerRequests", "copyRequest", "downloadDocument",
        "getRequest", "getTimeline", "listBaseDeliveries", "listContacts", "listDeliveries", "listDistributors",
        "listDocuments", "listEvents", "listProducts", "listRequests", "listWaiting", "lookUpCompany", "signDocument",
        "streamEvents", "streamRequest", "submitRequest", "whoAmI", "withdrawRequest",
    } <= {operation["operationId"] for _, operation in OPERATIONS}  # fmt: skip


def test_every_error_is_a_problem():
    for name, operation in OPERATIONS:
        errors = {code: each for code, each in operation["responses"].items() if code >= "400"}
        assert {"400", "404", "422", "429", "500", "503"} <= errors.keys(), name
        assert all(list(each["content"]) == [MEDIA_TYPE] for each in errors.values()), name


def test_what_changes_something_takes_a_key():
    """But for DELETE, which does no more by being repeated (RFC 9110)."""
    for name, operation in OPERATIONS:
        if name.startswith(("GET", "DELETE")) or operation["operationId"] in ("lookUpCompany", "activateByCode"):
            continue
        key = next(each for each in operation["parameters"] if each["name"] == "Idempotency-Key")
        assert key["required"], name


def test_bodies_are_closed():
    """What the API doesn't know is refused, so that a slip of the pen is not taken for silence."""
    for name, operation in OPERATIONS:
        content = operation.get("requestBody", {}).get("content", {})
        for each in content.values():
            schema = DOCUMENT["components"]["schemas"][each["schema"]["$ref"].rpartition("/")[2]]
            assert schema["additionalProperties"] is False, name


def test_every_kind_of_problem_has_a_title_in_russian():
    assert all(re.search("[а-я]", title) for title in CODES.values())
    assert CODES.keys() == EXPLANATIONS.keys()


SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
BODIES = {
    media["schema"]["$ref"].rpartition("/")[2]
    for _, operation in OPERATIONS
    for part in (operation.get("requestBody", {}), *operation["responses"].values())
    for media in part.get("content", {}).values()
    if "$ref" in media["schema"]
}
"""Names of the schemas that are sent or answered as a whole."""


@pytest.mark.parametrize("name", sorted(BODIES))
def test_every_body_and_answer_has_an_example_that_its_schema_takes(name: str):
    (example,) = SCHEMAS[name]["examples"]
    whole = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}}
    Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(example)


def test_every_field_is_described():
    assert {"RequestOut", "DocumentOut", "MomentOut", "NewRequest"} <= SCHEMAS.keys()
    bare = {
        f"{name}.{field}"
        for name, schema in SCHEMAS.items()
        for field, part in schema.get("properties", {}).items()
        if not part.get("description")
    }
    assert bare == set()


def test_sums_are_said_to_be_decimal_numbers():
    sums = {
        f"{name}.{field}": any(each.get("format") == "decimal" for each in (part, *part.get("anyOf", ())))
        for name, schema in SCHEMAS.items()
        for field, part in schema.get("properties", {}).items()
        if "Roubles" in part["description"] or "roubles" in part["description"]
    }
    assert {"Invoice.amount", "Product.price", "RequestOut.due"} <= sums.keys()
    assert [each for each, said in sums.items() if not said] == []


def test_what_is_no_json_is_given_to_a_generated_client_as_bytes():
    said = {operation["operationId"]: operation["responses"]["200"] for name, operation in OPERATIONS if "GET" in name}
    for name in ("downloadDocument", "streamEvents", "streamRequest"):
        assert {each["schema"]["format"] for each in said[name]["content"].values()} == {"binary"}, name


def test_headers_of_answers_are_described():
    for name, operation in OPERATIONS:
        for status, response in operation["responses"].items():
            assert "X-Request-Id" in response["headers"], name
            assert ("Retry-After" in response["headers"]) == (status in ("409", "429", "503")), name
    headers = {operation["operationId"]: operation["responses"] for _, operation in OPERATIONS}
    assert {"Location", "Idempotency-Replayed"} <= headers["submitRequest"]["202"]["headers"].keys()
    assert {"ETag", "Content-Disposition"} <= headers["downloadDocument"]["200"]["headers"].keys()


def test_it_says_where_it_is_whose_and_under_which_licence():
    assert DOCUMENT["servers"]
    assert DOCUMENT["info"]["contact"]
    assert DOCUMENT["info"]["license"]["identifier"] == "Apache-2.0"
