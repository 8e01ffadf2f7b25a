"""Who may use which route, said once more and apart from the application: a new route needs an entry here.

`roles` are those that get an answer other than 404. With `{request_id}` in the path it must also be theirs: the request
of the tests belongs to the partner `lukomor` and is approved for the distributor `dist-north`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

P, D, O, A = "partner", "distributor", "ops", "auditor"  # noqa: E741
ALL = frozenset((P, D, O, A))
EVERYBODY = ALL | {"visitor"}


@dataclass(frozen=True)
class Case:
    """`json` or `form`: a body with which the owner is not refused for its content."""

    roles: frozenset[str]
    json: Any = None
    form: Any = None
    only: str | None = None
    """Whose things of its own (session, token) the path names: this user's alone."""
    key: bool = False
    """Takes an Idempotency-Key."""
    stream: bool = False
    whole: bool = False
    """Needs the stages: what its own role gets is tested where they run; here, that nobody else gets anything."""
    told: frozenset[int] = frozenset()
    """Refusals that are about the content, and told to everybody."""


def case(*roles: str, **values: Any) -> Case:
    return Case(frozenset(roles), **values)


NEW = {
    "contact_id": "lukomor-1",
    "distributor_id": "dist-north",
    "base_delivery_id": "upp-13",
    "registration_number": "1000001",
    "product_id": "upp-extension-12",
    "inn": "7707083893",
    "kpp": "773601001",
    "buyer": "АО «Завод точных весов»",
}
ANSWER = {"accepted": True}
SIGNATURE = {"signature": "AAAA"}
NOBODYS = "00000000-0000-4000-8000-000000000000"
ACTIVATION = {"registration_number": "7777777", "code": "NONE"}

MONEY = {"order_id": "o-1", "payment_id": "p-1", "return_id": "r-1", "invoice": "2026-0000001", "note": "why"}

MATRIX: dict[str, Case] = {
    # Signing in
    "GET /": Case(EVERYBODY),
    "GET /sign-in": Case(EVERYBODY),
    "POST /sign-in": Case(EVERYBODY, form={"login": "nobody", "password": "x"}, told=frozenset((401,))),
    "POST /sign-out": Case(EVERYBODY, form={}),
    "GET /sign-in/oidc": Case(frozenset()),  # off in these tests
    "GET /sign-in/oidc/back": Case(frozenset()),
    # One's own account
    "GET /account": Case(ALL),
    "POST /account/sessions/{session_id}/end": Case(frozenset((P,)), form={}, only="lukomor"),
    "POST /account/sessions/end-others": Case(ALL, form={}),
    "POST /account/password": Case(ALL, form={"password": "x"}),
    "POST /account/tokens": case(P, D, form={"name": "x"}),
    "POST /account/tokens/{token_id}/revoke": Case(frozenset((P,)), form={}, only="lukomor"),
    "POST /views": Case(ALL, form={"address": "/requests?q=x", "name": "x"}),
    "POST /views/remove": Case(ALL, form={"address": "/requests?q=x", "name": "x"}),
    # Commands that are sent later (tests/web/test_planned.py)
    "GET /planned": case(P, D, O),
    "GET /planned/{plan_id}": case(P, D, O, whole=True),
    "POST /planned/{plan_id}/undo": case(P, D, O, form={}, whole=True),
    # Pages
    "GET /requests": case(P),
    "GET /requests/export.xlsx": case(P),
    "GET /requests/export.csv": case(P),
    "GET /requests/file": case(P),
    "GET /requests/file/form.xlsx": case(P),
    "POST /requests/file": case(P, form={}),
    "GET /requests/file/{bulk_id}": case(P),
    "GET /requests/file/{bulk_id}/corrections.xlsx": case(P),
    "POST /requests/file/{bulk_id}/send": case(P, form={}),
    "GET /requests/new": case(P),
    "GET /requests/new/{request_type}": case(P),
    "POST /requests/drafts/{request_id}/remove": case(P, form={}, whole=True),
    "POST /requests/new/{request_type}": case(P, form={"do": "send"}),
    "GET /requests/{request_id}": Case(ALL),
    "GET /requests/{request_id}/documents/{document_id}": Case(ALL),
    "GET /requests/{request_id}/documents/{document_id}/preview.png": Case(ALL),
    "POST /requests/{request_id}/documents/{document_id}/signature": case(D, form={}),
    "POST /requests/{request_id}/documents/{document_id}/refusal": case(D, form={"reason": "не тот КПП"}),
    "POST /requests/{request_id}/withdraw": case(P, form={}),
    "GET /sold": case(P),
    "GET /sold/export.xlsx": case(P),
    "GET /sold/export.csv": case(P),
    "POST /sold/{request_id}/activate": case(P, form={}),
    "GET /renewals": case(D, O),
    "GET /renewals/not-renewed.xlsx": case(P, D, O, told=frozenset((404,))),
    "GET /expiring": case(P),
    "GET /expiring.ics": Case(EVERYBODY, told=frozenset((404,))),  # its address is its key: tests/web/test_expiring.py
    "POST /expiring/renew": case(P, form={"request_id": "{request_id}"}),
    "POST /expiring/calendar": case(P, form={}),
    "GET /waiting": case(D),
    "GET /answered": case(D),
    "GET /waiting/file": case(D),
    "GET /waiting/file/form.xlsx": case(D),
    "POST /waiting/file": case(D, form={}),
    "POST /waiting/file/send": case(D, form={"answers": "{}"}),
    "GET /waiting/export.xlsx": case(D),
    "GET /waiting/export.csv": case(D),
    "GET /answered/export.xlsx": case(D),
    "GET /answered/export.csv": case(D),
    "POST /waiting/answer": case(D, form={"answer": "confirm"}),
    "GET /signing": case(P, D),
    "GET /signing/documents.zip": case(P, D, told=frozenset((404,))),  # nothing waits for a partner here
    "POST /signing": case(P, D, form={}),
    "GET /activate": Case(EVERYBODY),
    "POST /activate": Case(EVERYBODY, form={"registration_number": "7777777", "code": "NONE"}),
    "GET /help": Case(EVERYBODY),
    "GET /api/problems": Case(EVERYBODY),
    "GET /requests/{request_id}/events": Case(ALL, stream=True),
    # Operations
    "GET /ops": case(O, whole=True),
    "GET /ops/badges": case(O, whole=True),
    "GET /ops/waiting": case(O, whole=True),
    "POST /ops/waiting/reminders": case(O, form={}, whole=True),
    "POST /ops/waiting/{request_id}/reminder": case(O, form={"what": "x"}, whole=True),
    "GET /ops/stream": case(O, whole=True),
    "GET /ops/stream/events": case(O, whole=True),
    "GET /ops/events/{stage}/{position}": case(O, whole=True),
    "GET /ops/records": case(O, whole=True),
    "GET /ops/records/file": case(O, whole=True),
    "GET /ops/records/{topic}/{partition}/{offset}": case(O, whole=True),
    "GET /ops/records/{topic}/{partition}/{offset}/revealed": case(O, whole=True),
    "GET /ops/records/{topic}/{partition}/{offset}/file": case(O, whole=True),
    "GET /ops/requests/{request_id}": case(O, whole=True),
    "GET /ops/clients": case(O, whole=True),
    "GET /ops/lapsed": case(O, whole=True),
    "POST /ops/clients/{request_id}": case(O, form={}, whole=True),
    "GET /ops/search": case(O, whole=True),
    "GET /ops/streams": case(O, whole=True),
    # Letters that were written to people (tests/web/test_letters.py)
    "GET /letters": case(P, D, O, A, whole=True),
    "GET /letters/export.xlsx": case(P, D, O, A, whole=True),
    "GET /letters/export.csv": case(P, D, O, A, whole=True),
    "GET /letters/{id}": case(P, D, O, A, whole=True),
    "POST /letters/{id}/again": case(O, form={}, whole=True),
    "GET /letters/off": Case(EVERYBODY, whole=True),
    "POST /letters/off": Case(EVERYBODY, whole=True),
    "GET /ops/letters": case(O, whole=True),
    "GET /ops/letters/{stage}/{number}": case(O, whole=True),
    "POST /ops/letters/{stage}/retry": case(O, form={"reason": "xxx"}, whole=True),
    "POST /ops/letters/{stage}/discard": case(O, form={"code": "x", "reason": "xxx"}, whole=True),
    "POST /ops/letters/{stage}/{number}/retry": case(O, form={"reason": "xxx"}, whole=True),
    "POST /ops/letters/{stage}/{number}/discard": case(O, form={"reason": "xxx"}, whole=True),
    "POST /ops/letters/{stage}/{number}/correct": case(O, form={"reason": "xxx", "value": "{}"}, whole=True),
    "POST /ops/letters/{stage}/{number}/agree": case(O, form={"proposal": "1"}, whole=True),
    # Post
    "GET /ops/post": case(O, whole=True),
    "GET /ops/post/print": case(O, whole=True),
    "GET /ops/post/register": case(O, whole=True),
    "POST /ops/post/sent": case(O, form={"request_id": "{request_id}", "tracking": "80080000000017"}, whole=True),
    # Money
    "GET /ops/money": case(O, A, whole=True),
    "GET /ops/money/export.xlsx": case(O, A, whole=True),
    "GET /ops/money/export.csv": case(O, A, whole=True),
    "GET /ops/money/refunds": case(O, A, whole=True),
    "GET /ops/money/refunds/export.xlsx": case(O, A, whole=True),
    "GET /ops/money/refunds/export.csv": case(O, A, whole=True),
    "GET /ops/money/statements": case(O, A, whole=True),
    "POST /ops/money/statements": case(O, form={}, whole=True),
    "POST /ops/money/match": case(O, form=MONEY, whole=True),
    "POST /ops/money/return": case(O, form=MONEY, whole=True),
    "POST /ops/money/credit": case(O, form=MONEY, whole=True),
    "POST /ops/money/match-return": case(O, form=MONEY, whole=True),
    "POST /ops/money/document": case(O, form={"document": "od-1", "what": "close", "note": "why"}, whole=True),
    "GET /ops/money/month": case(O, A, whole=True),
    "GET /ops/money/month.xlsx": case(O, A, whole=True),
    "GET /ops/money/month.pdf": case(O, A, whole=True),
    "GET /balance": case(P, D),
    "GET /balance/movements.xlsx": case(P, D, told=frozenset((404,))),
    "GET /balance/movements.csv": case(P, D, told=frozenset((404,))),
    "GET /balance/act.pdf": case(P, D, told=frozenset((404,))),  # nothing was sold to it yet
    "GET /api/v1/ops/waiting": case(O, whole=True),
    "GET /api/v1/ops/trend": case(O, whole=True),
    "GET /api/v1/ops/waiting/{what}": case(O, whole=True),
    "POST /api/v1/ops/requests/{request_id}/reminders": case(O, json={"waits_for": "payment"}, whole=True),
    "GET /api/v1/ops/requests/{request_id}/events": case(O, whole=True),
    "GET /api/v1/ops/requests/{request_id}/way": case(O, whole=True),
    "GET /api/v1/ops/events": case(O, whole=True),
    "GET /api/v1/ops/streams": case(O, whole=True),
    "GET /api/v1/ops/letters": case(O, whole=True),
    "GET /api/v1/ops/letters/{stage}": case(O, whole=True),
    "GET /api/v1/ops/letters/{stage}/{number}": case(O, whole=True),
    "POST /api/v1/ops/letters/{stage}/retry": case(O, json={}, whole=True),
    "POST /api/v1/ops/letters/{stage}/discard": case(O, json={"numbers": [1], "reason": "xxx"}, whole=True),
    "POST /api/v1/ops/letters/{stage}/{number}/correct": case(O, json={"value": "{}", "reason": "xxx"}, whole=True),
    "GET /api/v1/ops/letters/{stage}/{number}/proposal": case(O, whole=True),
    "POST /api/v1/ops/letters/{stage}/{number}/agree": case(O, json={"proposal": 1}, whole=True),
    # Audit
    "GET /audit": case(A, whole=True),
    "GET /audit/requests/{request_id}": case(A, whole=True),
    "GET /audit/requests/{request_id}/history.html": case(A, whole=True),
    "GET /audit/as-of": case(A, whole=True),
    "GET /audit/checkpoints": case(A, whole=True),
    "GET /audit/looked": case(A, whole=True),
    "GET /audit/diff": case(A, whole=True),
    "POST /audit/verifications": case(A, form={}, whole=True),
    "GET /audit/proofs/{stage}/{position}": case(A, whole=True),
    "GET /audit/proofs/{stage}/{position}/file": case(A, whole=True),
    "GET /audit/checkpoints/{log}": case(A, whole=True),
    "GET /audit/export": case(A, whole=True),
    "GET /audit/export/file": case(A, whole=True),
    "GET /audit/keys": case(A, whole=True),
    # API
    "GET /api/v1/openapi.json": Case(EVERYBODY),
    "GET /api/v1/me": Case(ALL),
    "GET /api/v1/requests": Case(ALL),
    "POST /api/v1/requests": case(P, json=NEW, key=True),
    "GET /api/v1/requests/{request_id}": Case(ALL),
    "GET /api/v1/requests/{request_id}/timeline": Case(ALL),
    "GET /api/v1/requests/{request_id}/events": Case(ALL, stream=True),
    "GET /api/v1/requests/{request_id}/copy": case(P),
    "POST /api/v1/requests/{request_id}/withdrawal": case(P, json={}, key=True),
    "POST /api/v1/requests/{request_id}/activation": case(P, key=True),
    "GET /api/v1/events": case(P, D),
    "GET /api/v1/events/stream": case(P, D, stream=True),
    "POST /api/v1/bulk/requests": case(P, json={"requests": [NEW], "dry_run": True}, key=True),
    "GET /api/v1/bulk/requests/{bulk_id}": case(P),
    "GET /webhooks": case(P, D),
    "POST /webhooks": case(P, D, form={"url": "https://127.0.0.1/"}),
    "GET /webhooks/{webhook_id}": case(P, D, only="lukomor"),
    "POST /webhooks/{webhook_id}/secret": case(P, D, form={}, only="lukomor"),
    "POST /webhooks/{webhook_id}/switch": case(P, D, form={"on": "0"}, only="lukomor"),
    "POST /webhooks/{webhook_id}/remove": case(P, D, form={}, only="lukomor"),
    "POST /webhooks/{webhook_id}/replay": case(P, D, form={"number": "1"}, only="lukomor"),
    "GET /webhooks/{webhook_id}/deliveries/{number}": case(P, D, only="lukomor"),
    "POST /webhooks/{webhook_id}/deliveries/{number}/again": case(P, D, form={}, only="lukomor"),
    "GET /api/v1/webhooks": case(P, D),
    "POST /api/v1/webhooks": case(P, D, json={"url": "https://127.0.0.1/"}, key=True),
    "GET /api/v1/webhooks/{webhook_id}": case(P, D, only="lukomor"),
    "DELETE /api/v1/webhooks/{webhook_id}": case(P, D, only="lukomor"),
    "GET /api/v1/webhooks/{webhook_id}/secret": case(P, D, only="lukomor"),
    "POST /api/v1/webhooks/{webhook_id}/secret": case(P, D, only="lukomor", key=True),
    "POST /api/v1/webhooks/{webhook_id}/on": case(P, D, only="lukomor", key=True),
    "POST /api/v1/webhooks/{webhook_id}/off": case(P, D, only="lukomor", key=True),
    "GET /api/v1/webhooks/{webhook_id}/deliveries": case(P, D, only="lukomor"),
    "GET /api/v1/webhooks/{webhook_id}/deliveries/{number}": case(P, D, only="lukomor"),
    "POST /api/v1/webhooks/{webhook_id}/deliveries/{number}/again": case(P, D, only="lukomor", key=True),
    "POST /api/v1/webhooks/{webhook_id}/replay": case(P, D, only="lukomor", json={"after": "0"}, key=True),
    "GET /api/v1/deliveries": Case(ALL),
    "GET /api/v1/renewals/not-renewed": Case(ALL, told=frozenset((422,))),
    "GET /api/v1/confirmations/waiting": case(D),
    "POST /api/v1/requests/{request_id}/confirmation": case(D, json=ANSWER, key=True),
    "POST /api/v1/confirmations": case(
        D, json={"answers": [{"request_id": "00000000-0000-4000-8000-000000000000", "accepted": True}]}, key=True
    ),
    "GET /api/v1/planned": case(P, D),
    "GET /api/v1/planned/{plan_id}": case(P, D, whole=True),
    "DELETE /api/v1/planned/{plan_id}": case(P, D, whole=True),
    "GET /api/v1/requests/{request_id}/documents": Case(ALL),
    "GET /api/v1/requests/{request_id}/documents/{document_id}/files/{form}": Case(ALL),
    "POST /api/v1/requests/{request_id}/documents/{document_id}/signature": case(D, json=SIGNATURE, key=True),
    "POST /api/v1/requests/{request_id}/documents/{document_id}/refusal": case(
        D, json={"reason": "не тот КПП"}, key=True
    ),
    "GET /api/v1/documents/waiting": case(P, D),
    "POST /api/v1/signatures": case(
        P, D, json={"signatures": [{"request_id": NOBODYS, "document_id": "doc-1", "signature": "AAAA"}]}, key=True
    ),
    "GET /api/v1/bulk/requests/{bulk_id}/events": case(P, stream=True),
    "GET /api/v1/contacts": case(P),
    "GET /api/v1/distributors": Case(ALL),
    "GET /api/v1/base-deliveries": Case(ALL),
    "GET /api/v1/products": Case(ALL),
    "POST /api/v1/company-lookups": case(P, json={"inn": "7707083893"}),
    "POST /api/v1/public/activations": Case(EVERYBODY, json=ACTIVATION, told=frozenset((404,))),
}
