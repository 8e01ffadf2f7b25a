"""The identity of a record, which a correction of a dead letter may not change: the request, the sender and the type of
the record. Pure.

The type stands in a header, and a correction has the record's own headers; a record without a type may be given one.
Request and sender are looked for in the key, the headers and the body; of a body that is no JSON in whatever can still
be read of it. What the record does not say may be added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import orjson

from events.registry import MESSAGES
from events.topics import (
    ACTIVATION_COMMANDS,
    BANK_PAYMENTS,
    MANUFACTURING_KITS,
    PAYMENT_COMMANDS,
    STAGE_TOPICS,
    distributor_of,
)
from events.upcasting import UPCASTERS
from postavka.kernel.errors import UserError

REQUEST = "request_id"
TYPE = "ce_type"
IDENTITY = (
    "partner_id",
    "submitted_by",
    "withdrawn_by",
    "ordered_by",
    "sent_by",
    "actor",
    "confirmation_id",
    "payment_id",
    "return_id",
    "order_id",
    "activation_id",
    "decline_id",
    "document_id",
)
"""Fields that say whose a record is, or which one it is; beside the request's id."""
KIT = "kit"
KIT_IDENTITY = ("number", "code")
"""Which kit it is, in `kit` or in the body itself; looked for in the topics that name one."""
NAMING_KITS = frozenset((MANUFACTURING_KITS.name, ACTIVATION_COMMANDS.name))
STAGES = frozenset(topic.name for topic in STAGE_TOPICS)
KEYED_OTHERWISE = frozenset((BANK_PAYMENTS.name, PAYMENT_COMMANDS.name))
"""Topics of money: their keys are those of payments and orders, and their messages name no request."""
_STRING = re.compile(rb'"([a-z_]{1,40})"\s*:\s*("(?:[^"\\]|\\.)*"|-?[0-9]+)')

Headers = Sequence[tuple[str, bytes | None]]


class NotACorrection(UserError):
    """The corrected record would say something else than the one that came. `russian`: the same for pages."""

    def __init__(self, english: str, russian: str) -> None:
        super().__init__(english)
        self.russian = russian


@dataclass(frozen=True, slots=True)
class CheckedCorrection:
    """A correction that may be made. `request`: whose it is, where the record or the correction names one.
    `needs_agreement`: it opens the gate before manufacturing, moves money, names the kit that is sold or
    activated, or says in the sender's place which request is meant."""

    request: UUID | None
    needs_agreement: bool


def check(
    topic: str,
    key: bytes | None,
    value: bytes | None,
    headers: Headers,
    new_key: bytes,
    new: bytes,
    new_type: str | None = None,
) -> CheckedCorrection:
    """Is this key and body a correction of that record? `new_type`: of a record that came without one; since it says
    what the record means, a second person agrees. Raises `NotACorrection`."""
    checked = _checked(topic, key, value, headers, new_key, new)
    if new_type is None:
        return checked
    if has_type(headers):
        raise NotACorrection("the record has a type, which can't be changed", "У записи есть тип, менять его нельзя.")
    if new_type not in MESSAGES and new_type not in UPCASTERS:
        raise NotACorrection(f"there is no type {new_type!r}", f"Типа «{new_type[:100]}» нет.")
    return replace(checked, needs_agreement=True)


def has_type(headers: Headers) -> bool:
    """Does the record say what it is?"""
    return any(name == TYPE and value for name, value in headers)


def _checked(
    topic: str, key: bytes | None, value: bytes | None, headers: Headers, new_key: bytes, new: bytes
) -> CheckedCorrection:
    if topic in STAGES:
        raise NotACorrection(
            f"{topic} has what a stage has decided: nobody corrects that; repair the cause and try the record again",
            f"{topic} — решения самой стадии, их не исправляют. Устраните причину и повторите разбор.",
        )
    try:
        fields = orjson.loads(new)
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        raise NotACorrection("the corrected body is not a JSON object", "Исправленное тело — не объект JSON.")
    recorded, now = _fields(value), {name: _text(each) for name, each in _with_kit(fields).items()}
    for name in (*IDENTITY, *(KIT_IDENTITY if topic in NAMING_KITS else ())):
        _check_same(name, {each for each in recorded.get(name, ()) if each}, now.get(name, ""))
    if topic in KEYED_OTHERWISE:
        _check_same("key", {_text(key)} - {""}, _text(new_key))
        return CheckedCorrection(None, needs_agreement=True)
    named = requests_named(key, value, headers)
    meant = _requests([now.get(REQUEST, ""), _text(new_key)])
    if len(meant) != 1 or (named and not meant <= named):
        there = ", ".join(sorted(map(str, named))) or "none"
        raise NotACorrection(
            f"the correction must be about the record's own request, in its key and its body: the record names {there}",
            f"Исправление должно быть о той же заявке, и в ключе, и в теле. В записи названа: {there}.",
        )
    weighty = distributor_of(topic) is not None or topic in NAMING_KITS
    return CheckedCorrection(next(iter(meant)), needs_agreement=weighty or len(named) != 1)


def requests_named(key: bytes | None, value: bytes | None, headers: Headers) -> set[UUID]:
    """The requests that a record names, in its key, its subject or its body, in whatever spelling."""
    subject = next((data for name, data in headers if name == "ce_subject"), None)
    return _requests([*_fields(value).get(REQUEST, ()), _text(key), _text(subject)])


def _check_same(name: str, recorded: set[str], now: str) -> None:
    if recorded and now not in recorded:
        before, after = ", ".join(sorted(recorded))[:200], now[:200]
        raise NotACorrection(
            f"{name} can't be changed: the record says {before}, the correction {after or 'nothing'}",
            f"{name} менять нельзя: в записи {before}, в исправлении {after or 'пусто'}.",
        )


def _fields(body: bytes | None) -> dict[str, set[str]]:
    """What a body says in each field. Of one that is no JSON, every text or whole number that stands behind a name."""
    try:
        read = orjson.loads(body or b"")
    except orjson.JSONDecodeError:
        found: dict[str, set[str]] = {}
        for name, token in _STRING.findall(body or b""):
            found.setdefault(name.decode(), set()).add(_token(token))
        return found
    return {name: {_text(value)} for name, value in _with_kit(read).items()} if isinstance(read, dict) else {}


def _with_kit(fields: dict[str, object]) -> dict[str, object]:
    """What a body says, with what it says of the kit."""
    kit = fields.get(KIT)
    return {**fields, **kit} if isinstance(kit, dict) else fields


def _token(token: bytes) -> str:
    try:
        return _text(orjson.loads(token))
    except orjson.JSONDecodeError:
        return token.strip(b'"').decode("utf-8", "replace")


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def _requests(texts: Iterable[str]) -> set[UUID]:
    """Those that name a request, in whatever spelling."""
    found = set()
    for text in texts:
        try:
            found.add(UUID(text))
        except ValueError:
            continue
    return found
