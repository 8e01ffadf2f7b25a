"""What is published for programs, by all rules of Spectral, but for those named, and by AsyncAPI's own parser."""

from __future__ import annotations

from typing import Any

import pytest

from events import export
from events.registry import MESSAGES
from events.upcasting import UPCASTERS
from services.cabinet.api import openapi
from tests.validators.tools import node

ASYNCAPI = export.SCHEMAS / "asyncapi.json"
OFF = {
    "oas": {
        "contact-properties": "whoever installs it runs it: no address is known here",
        "license-url": "OpenAPI 3.1 has the licence's identifier instead, and forbids both",
        "openapi-tags-alphabetical": "they follow a sale",
    },
    "asyncapi": {
        "asyncapi-info-contact-properties": "as in OpenAPI",
        "asyncapi-latest-version": "3.1.0 is taken by no generator of models yet (events/asyncapi.py)",
    },
}


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    documents = [
        {"file": file, "ruleset": ruleset, "off": list(OFF[ruleset])}
        for file, ruleset in ((openapi.FILE, "oas"), (ASYNCAPI, "asyncapi"))
    ]
    return node("descriptions.cjs", documents=documents, asyncapi=ASYNCAPI)


@pytest.mark.parametrize("ruleset", sorted(OFF))
def test_spectral_finds_nothing(said: dict[str, Any], ruleset: str):
    assert said[ruleset] == []


def test_asyncapis_parser_reads_every_message(said: dict[str, Any]):
    assert [each for each in said["parser"] if not each.startswith("asyncapi-latest-version ")] == []
    assert said["messages"] == len(MESSAGES | UPCASTERS)
