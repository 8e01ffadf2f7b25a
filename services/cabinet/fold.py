"""The fold of the cabinet: from events to a row. Pure.

A row has one group of facts for each stage, and an event touches only its own stage's group. Within a stage's topic the
events of a request are in order, so that any interleaving of topics gives the same row. What is shown as the status is
derived from the groups, in SQL (`sql/001_cabinet.sql`) and here (`status`) alike; a test holds the two together.

Groups are JSON objects, kept as JSON: an event's fields go in as they are on the wire, so that folding a million
of them is cheap. Fields are read through `events.registry.read_fields`, so that old versions look like the newest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from events import activation, approval, billing, renewal, request, shipping
from events.registry import MESSAGES, UnknownType, read_fields
from events.request import REQUEST_TYPE
from events.topics import STAGE_TOPICS
from events.upcasting import newest_version
from postavka.domain.request_numbers import number_of

REQUIRED = {
    topic.writer: {
        message.TYPE: frozenset(name for name, field in message.model_fields.items() if field.is_required())
        for message in topic.carries
    }
    for topic in STAGE_TOPICS
}
"""Stage → its events → the fields that none of them is without."""

Fields = dict[str, Any]
Group = dict[str, Any]
Row = dict[str, Group]
"""Stage → its group; a stage without events is left out."""

STAGES = tuple(topic.writer for topic in STAGE_TOPICS)
"""In the order of the procedure; each is a column of the table."""


def fold(row: Row, stage: str, type_name: str, fields: Fields, time: str, position: int) -> None:
    """Take one event into a row, in place. `time` is RFC 3339; `position` the event's in its stage."""
    group = row.setdefault(stage, {})
    group["changed_at"] = time
    group["position"] = position
    change = CHANGES.get(type_name)
    if change is not None:
        change(group, fields, time)


class NotOfThisStage(ValueError):
    """No event that this stage has written: another stage's type, or without what the type must have."""


def read(stage: str, type_name: str, body: bytes | None) -> tuple[str, Fields]:
    """A record of a stage's topic as plain fields of its newest version; of an event that changes nothing here, and
    only says that the request has moved, the body is not read, and there are none.

    Raises `NotOfThisStage` for what only a forger can have put there, and as `events.registry.read_fields` does.
    Cheap: fields are not validated, since the stage did that when it wrote them.
    """
    newest, required = _kind(stage, type_name)
    if newest in UNREAD_BODIES:
        return newest, {}
    newest, fields = read_fields(type_name, body)
    if not fields.keys() >= required:
        raise NotOfThisStage(f"{type_name} without {', '.join(sorted(required - fields.keys()))}")
    return newest, fields


@lru_cache(maxsize=1_000)
def _kind(stage: str, type_name: str) -> tuple[str, frozenset[str]]:
    """The newest version of a type, and which fields none is without."""
    newest = newest_version(type_name)
    required = REQUIRED[stage].get(newest)
    if required is None:
        if newest not in MESSAGES:
            raise UnknownType(f"the type {type_name!r} is not known to this release")
        raise NotOfThisStage(f"{type_name} is no event of {stage}")
    return newest, required


def status(row: Row) -> str:
    """Where a request stands, from which facts are there. The last that happened in the procedure wins."""
    asked, approved, billed, shipped, active = (
        row.get(stage, {}) for stage in ("request", "approval", "billing", "shipping", "activation")
    )
    if "activated_at" in active:
        return "activated"
    if "shipped_at" in shipped:
        return "shipped"
    if "ordered_at" in shipped:
        return "manufacturing"
    if "withdrawn_at" in asked:
        return "withdrawn"
    if "rejected_at" in approved:
        return "rejected"
    if "declined_at" in billed:
        return "declined"
    if "approved_at" in approved:
        return "awaiting-payment" if approved["channel"] == "direct" else "awaiting-confirmation"
    return "submitted"


def request_type(row: Mapping[str, Mapping[str, Any]]) -> str:
    """What kind of request this is; the one of the letter (L4) where a refused one names none, or isn't read yet."""
    return str(row.get("request", {}).get("request_type") or REQUEST_TYPE).strip()


def _submitted(group: Group, fields: Fields, time: str) -> None:
    number = number_of(group["position"], datetime.fromisoformat(time))
    group.update(fields, submitted_at=time, number=number)


def _withdrawn(group: Group, fields: Fields, time: str) -> None:
    group.update(withdrawn_at=time, withdrawn_by=fields["withdrawn_by"], withdrawal_reason=fields["reason"])


def _approved(group: Group, fields: Fields, time: str) -> None:
    """Take the approval, without the request's type: the request's own group has it, and rows of earlier releases have
    it only there."""
    group.update(fields, approved_at=time)
    group.pop("request_type", None)


def _rejected(group: Group, fields: Fields, time: str) -> None:
    group.update(rejected_at=time, reasons=fields["reasons"])


def _invoice(group: Group, fields: Fields, time: str) -> None:
    group["invoice"] = {**fields, "issued_at": time}


def _confirmed(group: Group, fields: Fields, time: str) -> None:
    group.update(confirmed_at=time, confirmation=fields)


def _declined(group: Group, fields: Fields, time: str) -> None:
    group.update(declined_at=time, confirmation=fields)


def _refused_confirmation(group: Group, fields: Fields, time: str) -> None:
    group.setdefault("refusals", []).append({**fields, "at": time})


def _paid(group: Group, fields: Fields, time: str) -> None:
    group.update(paid=fields["paid"], due=fields["due"], overpaid=fields["overpaid"])
    if fields["due"] == "0.00":
        group.pop("debt", None)
    group.setdefault("payments", []).append({**fields, "at": time})


def _closed(group: Group, fields: Fields, time: str) -> None:
    group.update(closed_at=time, closed=fields["reason"])
    if "invoice" in group:
        group["due"] = "0.00"


def _returned(group: Group, fields: Fields, time: str) -> None:
    group.update(paid=fields["paid"], due=fields["due"], overpaid=fields["overpaid"], refund_owed=fields["owed"])
    group["debt"] = fields["is_debt"]
    group.setdefault("returns", []).append({**fields, "at": time})


def _refund_owed(group: Group, fields: Fields, time: str) -> None:
    group["refund_owed"] = fields["owed"]
    group.setdefault("refunds", []).append({**fields, "at": time})


def _refund_paid(group: Group, fields: Fields, time: str) -> None:
    group.update(paid=fields["paid"], overpaid=fields["overpaid"], refund_owed=fields["owed"])
    group.setdefault("returns", []).append({**fields, "at": time})


def _credited(group: Group, fields: Fields, time: str) -> None:
    group.update(paid=fields["paid"], overpaid=fields["overpaid"])
    group.setdefault("credits", []).append({**fields, "at": time})


def _permission(group: Group, fields: Fields, time: str) -> None:
    group.update(permission_number=fields["number"], permission_at=time)


def _document(group: Group, fields: Fields, time: str) -> None:
    group.setdefault("documents", {})[fields["document_id"]] = {**fields, "issued_at": time}


def _rendered(group: Group, fields: Fields, time: str) -> None:
    _of_document(group, fields).update(rendered_at=time, rendered_form=fields["form"], rendered_sha256=fields["sha256"])


def _declined_document(group: Group, fields: Fields, time: str) -> None:
    declines = _of_document(group, fields).setdefault("declines", [])
    declines.append({"reason": fields["reason"], "by": fields["declined_by"], "at": time})


def _dispatched(group: Group, fields: Fields, time: str) -> None:
    _of_document(group, fields).update(
        dispatched_at=time, dispatch_id=fields["dispatch_id"], tracking=fields["tracking"]
    )


def _signed(group: Group, fields: Fields, time: str) -> None:
    _of_document(group, fields).update(
        signed_at=time, signed_by=fields["signer_inn"], signed_under=fields["power_of_attorney"]
    )


def _refused_signature(group: Group, fields: Fields, time: str) -> None:
    _of_document(group, fields).setdefault("refusals", []).append({"reason": fields["reason"], "at": time})


def _of_document(group: Group, fields: Fields) -> Group:
    document: Group = group.setdefault("documents", {}).setdefault(fields["document_id"], {})
    return document


def _ordered(group: Group, fields: Fields, time: str) -> None:
    group.update(ordered_at=time, basis=fields["basis"])


def _shipped(group: Group, fields: Fields, time: str) -> None:
    group.update(shipped_at=time, shipped_on=fields["shipped_on"], kit=fields["kit"], client=fields["client"])


def _withdrawal_refused(group: Group, fields: Fields, time: str) -> None:
    group.update(withdrawal_refused_at=time, withdrawal_refusal=fields["reason"])


def _activated(group: Group, fields: Fields, time: str) -> None:
    group.update(fields, activated_at=time)


def _refused_activation(group: Group, fields: Fields, time: str) -> None:
    group.setdefault("refusals", []).append({**fields, "at": time})


def _term(group: Group, fields: Fields, time: str) -> None:
    group.update(service_from=fields["service_from"], service_until=fields["service_until"])
    group.pop("lapsed_at", None)


def _lapsed(group: Group, fields: Fields, time: str) -> None:
    group["lapsed_at"] = time


def _of_another(group: Group, fields: Fields, time: str) -> None:
    """A renewal has no term of its own."""
    for name in ("service_from", "service_until", "lapsed_at"):
        group.pop(name, None)


CHANGES: dict[str, Callable[[Group, Fields, str], None]] = {
    request.RequestSubmitted.TYPE: _submitted,
    request.RequestWithdrawn.TYPE: _withdrawn,
    approval.Approved.TYPE: _approved,
    approval.Rejected.TYPE: _rejected,
    billing.InvoiceIssued.TYPE: _invoice,
    billing.DistributorConfirmed.TYPE: _confirmed,
    billing.DistributorDeclined.TYPE: _declined,
    billing.ConfirmationRefused.TYPE: _refused_confirmation,
    billing.BillingClosed.TYPE: _closed,
    billing.PaymentReceived.TYPE: _paid,
    billing.PaymentReturned.TYPE: _returned,
    billing.RefundOwed.TYPE: _refund_owed,
    billing.RefundPaid.TYPE: _refund_paid,
    billing.OverpaymentCredited.TYPE: _credited,
    shipping.PermissionIssued.TYPE: _permission,
    shipping.DocumentIssued.TYPE: _document,
    shipping.DocumentRendered.TYPE: _rendered,
    shipping.DocumentDispatched.TYPE: _dispatched,
    shipping.DocumentSigned.TYPE: _signed,
    shipping.SignatureRefused.TYPE: _refused_signature,
    shipping.DocumentDeclined.TYPE: _declined_document,
    shipping.ManufacturingOrdered.TYPE: _ordered,
    shipping.ShipmentIssued.TYPE: _shipped,
    shipping.WithdrawalRefused.TYPE: _withdrawal_refused,
    activation.Activated.TYPE: _activated,
    activation.ActivationRefused.TYPE: _refused_activation,
    renewal.ServiceStarted.TYPE: _term,
    renewal.ServiceRenewed.TYPE: _term,
    renewal.ServiceLapsed.TYPE: _lapsed,
    renewal.RenewalActivated.TYPE: _of_another,
}
"""Events that change what a cabinet shows. Others (held confirmations, a stage's own notes) only move the position."""

UNSHOWN = {
    billing.PaymentUnmatched.TYPE,
    renewal.RenewalRefused.TYPE,
    billing.ReturnOrdered.TYPE,
    billing.ReturnPaid.TYPE,
    billing.ReturnUnmatched.TYPE,
    billing.ReturnMatched.TYPE,
    billing.SettlementRefused.TYPE,
}
"""Events that may belong to no request: money that nobody knows the place of, renewals of what isn't there."""

UNREAD_BODIES = {type_name for types in REQUIRED.values() for type_name in types} - CHANGES.keys() - UNSHOWN
"""Events of which only type, time and position count here."""
