"""What `make clients` writes: fields have the types that they mean, and every body of the API goes through it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest

from services.cabinet.api import openapi
from tests.paths import PROJECT
from tests.validators.generated import python_client, typescript, typescript_project

SCHEMAS = openapi.document()["components"]["schemas"]
EXAMPLES = {name: schema["examples"][0] for name, schema in SCHEMAS.items() if "examples" in schema}
FORMATS = {"uuid": UUID, "date": date, "date-time": datetime, "decimal": Decimal}
STRICT = ("--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--types", "node")
PROBE = """
import type { EventOut, EventPage, NewRequest, Product, RequestOut, RequestPage, TermOut } from "postavka-client";
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same: [
  Same<RequestOut["request_id"], string>,
  Same<RequestOut["amount"], string | null>,
  Same<RequestOut["submitted_at"], string | null>,
  Same<RequestOut["term"], TermOut | null>,
  Same<TermOut["service_until"], string>,
  Same<Product["price"], string>,
  Same<Product["months"], number>,
  Same<NewRequest["comment"], string | null | undefined>,
  Same<RequestPage["next"], string | null>,
  Same<EventPage["items"], EventOut[]>,
  Same<EventOut["causationid"], string | null | undefined>,
] = [true, true, true, true, true, true, true, true, true, true, true];
const status: RequestOut["status"] = "shipped";
// @ts-expect-error: there is no such status
const unknown: RequestOut["status"] = "lost";
console.log(same, status, unknown);
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with python_client() as module:
        yield module


def parts(annotation: Any) -> Iterator[Any]:
    """What stands in a type."""
    yield annotation
    for each in get_args(annotation):
        yield from parts(each)


def test_fields_in_python_have_the_types_that_they_mean(client: Any):
    seen = set()
    for name, schema in SCHEMAS.items():
        for field, described in schema.get("properties", {}).items():
            fields = {each.alias or known: each for known, each in getattr(client, name).model_fields.items()}
            found = set(parts(fields[field].annotation))
            kinds = [described, *described.get("anyOf", ())]
            for wanted in (FORMATS[each["format"]] for each in kinds if each.get("format") in FORMATS):
                assert wanted in found, f"{name}.{field}"
                seen.add(wanted)
            if {"type": "null"} in kinds:
                assert type(None) in found, f"{name}.{field}"
            elif field in schema.get("required", ()):
                assert type(None) not in found, f"{name}.{field}"
    assert seen == set(FORMATS.values())


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_goes_through_the_client_in_python(client: Any, name: str):
    sent = alike(client.ApiClient().sanitize_for_serialization(getattr(client, name).from_dict(EXAMPLES[name])))
    assert sent | alike(EXAMPLES[name]) == sent


def alike(value: Any) -> Any:
    """JSON without what is null, moments as one writes them in Python."""
    if isinstance(value, dict):
        return {name: alike(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [alike(each) for each in value]
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT.*", value):
        return datetime.fromisoformat(value)
    return value


def test_a_client_in_python_outlives_new_words_and_fields(client: Any):
    read = client.RequestPage.from_dict(
        {"items": [{**EXAMPLES["RequestOut"], "status": "paused", "colour": "red"}], "next": None}
    )
    assert read.items[0].status == "paused"


def test_types_in_typescript_and_the_quick_start(tmp_path: Path):
    folder = typescript_project(tmp_path)
    page = (PROJECT / "docs" / "clients.md").read_text("utf-8")
    (start,) = re.findall(r"^```ts\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (folder / "quickstart.ts").write_text(start, "utf-8")
    (folder / "probe.ts").write_text(PROBE, "utf-8")
    done = typescript(*STRICT, "quickstart.ts", "probe.ts", folder=folder)
    assert done.returncode == 0, done.stdout
