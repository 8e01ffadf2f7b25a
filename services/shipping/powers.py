"""Powers of attorney (МЧД): a person signs for an organisation whose INN their certificate does not have (L16)."""

from __future__ import annotations

from datetime import datetime

from postavka.domain.calendar import MOSCOW
from postavka.domain.reference.store import Snapshot
from services.shipping.verification import Claimed, Question


def power_of_attorney(claimed: Claimed, question: Question, at: datetime, known: Snapshot) -> str | None:
    """The number of the one by which the signer signs for whoever has to; None: there is none, or none is needed.

    It must be in force on the day (Moscow) that a time stamp proves, else on that of the check, `at`.
    """
    verified = claimed.verified
    proven = verified.signed_at if verified.time_stamped_by is not None else at
    day = proven.astimezone(MOSCOW).date()
    found = known.power_of_attorney(question.signer_inn, verified.signer_inn, day)
    return found.number if found is not None else None
