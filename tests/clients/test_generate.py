"""What `make clients` writes: fields have the types that they mean, and every body of the API goes through it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, get_args
from uuid import UUID

import pytest
from urllib3 import Retry

from services.cabinet.api import openapi
from services.feed.views import VIEWS
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
    assert holds(sent, alike(EXAMPLES[name])), sent


def holds(whole: Any, part: Any) -> bool:
    """Beside what is in `part` only what has a default may stand in `whole`."""
    if isinstance(part, dict):
        return all(name in whole and holds(whole[name], each) for name, each in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return bool(whole == part)


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


class Busy(BaseHTTPRequestHandler):
    """Asks everybody to come again, once."""

    keys: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.keys.append(self.headers["Idempotency-Key"])
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(EXAMPLES["Accepted"] if len(self.keys) > 1 else EXAMPLES["Problem"]).encode()
        self.send_response(202 if len(self.keys) > 1 else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing is said."""


def test_a_call_in_python_is_made_again_with_its_key(client: Any):
    (shown,) = re.findall(r"Retry\((.*)\),", (PROJECT / "docs" / "clients.md").read_text("utf-8"))
    assert shown == "5, backoff_factor=0.5, allowed_methods=None"
    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        retries = Retry(5, backoff_factor=0.5, allowed_methods=None)
        settings = client.Configuration(host=f"http://127.0.0.1:{server.server_port}", retries=retries)
        order = client.NewRequest.from_dict(EXAMPLES["NewRequest"])
        sent = client.RequestsApi(client.ApiClient(settings)).submit_request('"order-1"', order)
        server.shutdown()
    assert str(sent.request_id) == EXAMPLES["Accepted"]["request_id"]
    assert Busy.keys == ['"order-1"'] * 2


def test_the_page_names_events_that_are_told():
    page = (PROJECT / "docs" / "clients.md").read_text("utf-8")
    table = page.split("## What the feed tells", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert len(named) > 10
    assert named <= {each.partition(".")[0] for each, view in VIEWS.items() if view.partner}


def test_types_in_typescript_and_the_quick_start(tmp_path: Path):
    folder = typescript_project(tmp_path)
    page = (PROJECT / "docs" / "clients.md").read_text("utf-8")
    (start,) = re.findall(r"^```ts\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (folder / "quickstart.ts").write_text(start, "utf-8")
    (folder / "probe.ts").write_text(PROBE, "utf-8")
    done = typescript(*STRICT, "quickstart.ts", "probe.ts", folder=folder)
    assert done.returncode == 0, done.stdout
