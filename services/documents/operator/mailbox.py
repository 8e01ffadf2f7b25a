"""The choice of a counterparty's mailbox for a document, by what the operator says of its organisations. Pure.

A document in a wrong mailbox is in strange hands, so nothing is guessed: what does not fit, or
fits twice, is for a person to settle, and the document waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.documents.operator.interface import OperatorRefuses, OutgoingDocument

Organization = Mapping[str, Any]
"""An organisation or a mailbox, as Diadoc's `Organization` and `Box` have it."""
MOST_NAMED = 5


def mailbox_of(outgoing: OutgoingDocument, organizations: Sequence[Organization]) -> str:
    """The id of the one mailbox that fits. Raises `OperatorRefuses` with what is wrong, and what would settle it."""
    wrong: list[str] = []
    fitting = []
    for each in organizations:
        why = _why_not(outgoing, each)
        if why is None:
            fitting.append(each)
        else:
            wrong.append(why)
    who = f"the counterparty with INN {outgoing.to_inn}" + (f" and KPP {outgoing.to_kpp}" if outgoing.to_kpp else "")
    boxes = [box for each in _at_home(fitting) for box in _at_home(_open(each.get("Boxes") or ()))]
    if len({_id(box) for box in boxes}) == 1:
        return _id(boxes[0])
    if boxes:
        named = ", ".join(f"{_id(box)} ({box.get('Title') or 'no title'})" for box in boxes[:MOST_NAMED])
        raise OperatorRefuses(f"{who} has {len(boxes)} mailboxes, which one? {named}: name it in POSTAVKA_EDO_BOXES")
    reasons = "; ".join(dict.fromkeys(wrong)) or "the operator knows none"
    raise OperatorRefuses(f"{who} has no mailbox: {reasons}"[:1000])


def _why_not(outgoing: OutgoingDocument, organization: Organization) -> str | None:
    """Why this organisation is not the addressee; None: it is, as far as the operator says anything."""
    inn, kpp, participant = (organization.get(name) for name in ("Inn", "Kpp", "FnsParticipantId"))
    name = organization.get("FullName") or organization.get("ShortName") or "an organisation"
    if inn and inn != outgoing.to_inn:
        return f"{name} has INN {inn}"
    if outgoing.to_participant:
        if participant and str(participant).casefold() != outgoing.to_participant.casefold():
            return f"{name} is the participant {participant}, not {outgoing.to_participant}"
    elif outgoing.to_kpp:
        if kpp and kpp != outgoing.to_kpp:
            return f"{name} has KPP {kpp}: the one that is meant has no mailbox, and its own documents go to no other"
    elif organization.get("IsBranch"):
        return f"{name} is a branch: name the counterparty's KPP"
    if organization.get("LiquidationDate"):
        return f"{name} was liquidated on {organization['LiquidationDate']}"
    if not _is_open(organization):
        return f"{name} is not active at the operator"
    return None


def _is_open(entry: Organization) -> bool:
    return entry.get("IsActive") is not False and not entry.get("IsDisabled")


def _open(boxes: Sequence[Organization]) -> list[Organization]:
    return [box for box in boxes if _is_open(box) and _id(box)]


def _at_home(those: Sequence[Organization]) -> Sequence[Organization]:
    """Those of this operator; those of others, reached by roaming, only where there are no such."""
    return [each for each in those if not each.get("IsRoaming")] or those


def _id(box: Organization) -> str:
    return str(box.get("BoxIdGuid") or box.get("BoxId") or "")
