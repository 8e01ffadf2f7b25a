"""The reading of old versions. Each entry lifts one old type to the next version: from its JSON fields to the next
one's. Chains are followed to the newest. Nothing is ever rewritten in the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

REQUEST_TYPE = "1c8-updates-and-addons"
"""The request type of that time. Written here since upcasters never follow a change of the models."""

Fields = dict[str, Any]
Upcaster = tuple[str, Callable[[Fields], Fields]]


def _with_document(fields: Fields) -> Fields:
    """A payment of version 1 did not name its payment order."""
    return {**fields, "document": None}


def _same(fields: Fields) -> Fields:
    """The next version has more fields, each with a default for whoever does not say them."""
    return fields


def _the_one_request_type(fields: Fields) -> Fields:
    """Approvals before version 3 were all of the one request type that the letter knows (L4)."""
    return {**fields, "request_type": REQUEST_TYPE}


def _first_form(fields: Fields) -> Fields:
    return {**fields, "form": "postavka.document/1", "issued_at": None}


def _signature_over_what_was_issued(fields: Fields) -> Fields:
    return {**fields, "form": "postavka.document/1", "covers_sha256": None}


def _refusal_with_facts(fields: Fields) -> Fields:
    """Version 1 named contract and day only in its sentence."""
    return {**fields, "looked_up_on": None, "contract": None}


UPCASTERS: dict[str, Upcaster] = {
    "RequestSubmitted.v1": ("RequestSubmitted.v2", _same),
    "SubmitRequest.v1": ("SubmitRequest.v2", _same),
    "Approved.v1": ("Approved.v2", _same),
    "Approved.v2": ("Approved.v3", _the_one_request_type),
    "ShippingOpened.v1": ("ShippingOpened.v2", _same),
    "DocumentIssued.v1": ("DocumentIssued.v2", _first_form),
    "DocumentSigned.v1": ("DocumentSigned.v2", _signature_over_what_was_issued),
    "DocumentSigned.v2": ("DocumentSigned.v3", _same),
    "SignDocument.v1": ("SignDocument.v2", _same),
    "BankPayment.v1": ("BankPayment.v2", _with_document),
    "ActivationRefused.v1": ("ActivationRefused.v2", _refusal_with_facts),
}
"""Old type name → (next type name, how its fields become the next one's)."""


class NotLifted(ValueError):
    """Fields that an upcaster can't make sense of: a body that was never a record of its type."""


def newest_version(type_name: str) -> str:
    """The name under which records of this type are read."""
    while type_name in UPCASTERS:
        type_name = UPCASTERS[type_name][0]
    return type_name


def only_adds(type_name: str) -> bool:
    """Do the versions after this one only add fields with defaults, so that the newest model reads its bodies?"""
    while type_name in UPCASTERS:
        type_name, lift = UPCASTERS[type_name]
        if lift is not _same:
            return False
    return True


def upcast(type_name: str, fields: Fields) -> tuple[str, Fields]:
    """Lift `fields` of `type_name` to the newest version. A type without an entry is the newest.

    Raises `NotLifted`, whatever the upcaster stumbles over: the body came from outside, and its model is gone. Only
    the kind of failure is named: what an exception says may be a value.
    """
    while type_name in UPCASTERS:
        following, lift = UPCASTERS[type_name]
        try:
            fields = lift(fields)
        except Exception as wrong:
            raise NotLifted(f"not a body of {type_name}: {type(wrong).__name__} on the way to {following}") from None
        type_name = following
    return type_name, fields
