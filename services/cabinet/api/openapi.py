"""The description of the API, OpenAPI 3.1: made from the routes, committed as a file, served as it is.

`python -m services.cabinet.api.openapi` writes the file anew; a test compares.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from postavka.web.authorization import gate_of
from postavka.web.problem import CODES, MEDIA_TYPE, ProblemBody
from services.cabinet.api.examples import EXAMPLES
from services.cabinet.api.router import router

FILE = Path(__file__).parent / "openapi.json"
ALWAYS = (400, 401, 404, 413, 422, 429, 500, 503)
DESCRIPTIONS = {
    400: "Not understood: no JSON, a bad cursor, no Idempotency-Key",
    401: "No token, or one that opens nothing",
    403: "A signed-in browser's request without the CSRF token",
    404: "There is no such thing, or it is not yours",
    409: "Not in this state, or a call with the same Idempotency-Key is under way",
    413: "The body is too large",
    422: "Fields are wrong (`errors`), or the Idempotency-Key belonged to another request",
    429: "Too many; see Retry-After",
    500: "Our mistake",
    503: "Kafka, PostgreSQL or a register can't be reached; see Retry-After. The same call can be made again",
}
HEADERS = {
    "X-Request-Id": "Names this call in our logs: give it when you ask about it",
    "Retry-After": "Seconds to wait before the same call is made again",
    "Idempotency-Replayed": "`true`: the first answer to this Idempotency-Key, given again",
    "Location": "Where what was made is",
    "ETag": "SHA-256 of the bytes, quoted; send it as `If-None-Match`",
    "Content-Disposition": "The name under which the document is saved",
}
"""Of answers."""
PARAMETERS = {
    "request_id": "Of a request, as the call that sent it was answered",
    "plan_id": "Of a command that is sent later, as the call that planned it was answered",
    "bulk_id": "Of many requests, as the call that sent them was answered",
    "webhook_id": "Of a webhook, as `addWebhook` answered it",
    "number": "Of an event in your feed, as the log of deliveries names it",
    "document_id": "Among the documents of its request",
    "form": "`original`: the exact bytes issued, which a signature must cover; `pdf`: to read and print",
    "base_delivery_id": "Only what fits this base delivery (L9)",
    "product_id": "Only what this product fits (L9)",
    "last-event-id": "Of the last event that you have seen: what came later is told",
}
"""Of addresses and headers, where their routes don't describe them."""
AGAIN = ("409", "429", "503")
"""Answers after which the same call can be made again."""
OF_OPERATION = {
    "submitRequest": ("Location",),
    "submitRequests": ("Location",),
    "downloadDocument": ("ETag", "Content-Disposition"),
}
"""Headers of its answer that only this operation has."""
INTRODUCTION = """Заявки на приобретение электронных поставок сервисов поддержки.

- Sign in with a token from the cabinet: `Authorization: Bearer pst_…`. A token belongs to one partner or distributor;
  it sees and does only what is its own. Everything else is 404.
- Calls that change something need an `Idempotency-Key`; make the call again with the same key when its answer was lost.
- They are answered with 202 as soon as the log has the command. What comes of it: the request's `timeline`, its
  `events` (server-sent), or its `status`.
- Errors are `application/problem+json` (RFC 9457): `type` is stable, `title`, `detail` and each `errors[].detail` are
  for people, in Russian; `errors[].pointer` is a JSON Pointer into the body.
- What happens to all your requests: `events`, page by page behind a place that you keep, or as it comes.
- Lists give `next`; send it as `after`. No totals: a list may have a million entries.
"""


@cache
def document() -> dict[str, Any]:
    """The whole description of the API."""
    made = get_openapi(
        title="Postavka API",
        version="1.0.0",
        openapi_version="3.1.0",
        description=INTRODUCTION,
        routes=router.routes,
        servers=[{"url": "/", "description": "The portal that this description came from"}],
        contact={"name": "Whoever runs the portal that you call"},
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
    )
    schemas = made["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem_schema = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem_schema.pop("$defs")
    problem_schema["properties"]["type"]["description"] = "One of: " + ", ".join(
        f"`/api/problems#{each}`" for each in CODES
    )
    schemas["Problem"] = problem_schema
    for name, example in EXAMPLES.items():
        schemas[name]["examples"] = [example]
    made["components"]["headers"] = {
        name: {"description": meaning, "schema": {"type": "integer" if name == "Retry-After" else "string"}}
        for name, meaning in HEADERS.items()
    }
    made["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "A token from the cabinet"}
    }
    for context in iter_route_contexts(router.routes):
        if not isinstance(context.original_route, APIRoute) or not context.include_in_schema:
            continue
        gate = gate_of(context)
        assert gate is not None and context.path is not None  # noqa: S101, PT018
        for method in context.methods or ():
            _complete(made["paths"][context.path_format][method.lower()], method, anybody=gate.anybody)
    made["tags"] = [
        {"name": "requests", "description": "Заявки и проданные поставки"},
        {"name": "confirmations", "description": "Ответы дистрибьютора"},
        {"name": "planned", "description": "Команды, которые уйдут позже"},
        {"name": "documents", "description": "Документы и подписи"},
        {"name": "lists", "description": "Справочники для заявки"},
        {"name": "events", "description": "Лента событий своих заявок"},
        {"name": "webhooks", "description": "События на свой адрес"},
        {"name": "public", "description": "Активация пользователем, без входа"},
        {"name": "meta", "description": "О самом API"},
    ]
    return made


def _complete(operation: dict[str, Any], method: str, *, anybody: bool) -> None:
    operation["security"] = [] if anybody else [{"token": []}]
    statuses = set(ALWAYS)
    if method != "GET":
        statuses |= {403, 409}
    if anybody:
        statuses.discard(401) if method == "GET" else None
    for status in sorted(statuses):
        operation["responses"][str(status)] = {
            "description": DESCRIPTIONS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    for status, response in operation["responses"].items():
        names = ["X-Request-Id"]
        if status in AGAIN:
            names.append("Retry-After")
        if status < "300":
            names += OF_OPERATION.get(operation["operationId"], ())
        if status == "202":
            names.append("Idempotency-Replayed")
        response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    for parameter in operation.get("parameters", ()):
        if "description" not in parameter:
            parameter["description"] = PARAMETERS[parameter["name"]]
        if parameter["name"] == "Idempotency-Key" and not anybody:
            parameter["required"] = True
            parameter["schema"] = {"type": "string", "pattern": '^"[A-Za-z0-9._:-]{1,100}"$'}


def text() -> str:
    """The description as text, as it is committed."""
    return orjson.dumps(document(), option=orjson.OPT_INDENT_2).decode() + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
