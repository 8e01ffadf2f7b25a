"""The API's description: the committed file is what the code gives, valid, and complete."""

from __future__ import annotations

import json
import re
from typing import Any

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
        "listDocuments", "listProducts", "listRequests", "listWaiting", "lookUpCompany", "signDocument",
        "streamRequest", "submitRequest", "whoAmI", "withdrawRequest",
    } <= {operation["operationId"] for _, operation in OPERATIONS}  # fmt: skip


def test_every_error_is_a_problem():
    for name, operation in OPERATIONS:
        errors = {code: each for code, each in operation["responses"].items() if code >= "400"}
        assert {"400", "404", "422", "429", "500", "503"} <= errors.keys(), name
        assert all(list(each["content"]) == [MEDIA_TYPE] for each in errors.values()), name


def test_what_changes_something_takes_a_key():
    for name, operation in OPERATIONS:
        if name.startswith("GET") or operation["operationId"] in ("lookUpCompany", "activateByCode"):
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
