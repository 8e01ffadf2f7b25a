"""Powers of attorney: who may sign for whom, and on which day (L16)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import MappingProxyType

import pytest
from pydantic import ValidationError

from events.reference import PowerOfAttorney
from postavka.domain.reference.file import PowerOfAttorneyRow
from postavka.domain.reference.store import Snapshot
from services.shipping.powers import power_of_attorney
from services.shipping.verification import Claimed, Question, Verified

COMPANY, OTHER, PERSON = "7736050003", "7707083893", "500100732259"
POWER = PowerOfAttorney(
    number="mchd-2",
    principal_inn=COMPANY,
    agent_inn=PERSON,
    valid_from=date(2026, 3, 1),
    valid_until=date(2026, 3, 31),
)
QUESTION = Question(b"", None, "", b"", None, COMPANY, None)


def found(*powers: PowerOfAttorney, at: datetime, signer: str = PERSON, stamped: datetime | None = None) -> str | None:
    by_agent = {each: tuple(power for power in powers if power.agent_inn == each) for each in (PERSON, COMPANY)}
    known = Snapshot(1, {}, {}, {}, {}, {}, MappingProxyType(by_agent))
    verified = Verified(signer, "", "", stamped or datetime(2026, 3, 15, tzinfo=UTC), "CN=TSA" if stamped else None)
    return power_of_attorney(Claimed(verified, "", ""), QUESTION, at, known)


@pytest.mark.parametrize(
    ("at", "counts"),
    [
        (datetime(2026, 2, 28, 20, 59, 59, tzinfo=UTC), False),
        (datetime(2026, 2, 28, 21, 0, tzinfo=UTC), True),
        (datetime(2026, 3, 31, 20, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 3, 31, 21, 0, tzinfo=UTC), False),
    ],
)
def test_its_days_are_those_of_moscow(at: datetime, counts: bool):
    assert found(POWER, at=at) == ("mchd-2" if counts else None)


IN_MARCH, IN_MAY = datetime(2026, 3, 20, tzinfo=UTC), datetime(2026, 5, 20, tzinfo=UTC)


def test_what_the_signers_clock_says_proves_nothing_and_a_time_stamp_does():
    assert found(POWER, at=IN_MAY) is None
    assert found(POWER, at=IN_MAY, stamped=IN_MARCH) == "mchd-2"


def test_from_the_day_of_revocation_it_counts_no_more():
    revoked = POWER.model_copy(update={"revoked_on": date(2026, 3, 20)})
    assert found(revoked, at=datetime(2026, 3, 19, 12, tzinfo=UTC)) == "mchd-2"
    assert found(revoked, at=IN_MARCH) is None
    assert found(revoked, POWER.model_copy(update={"number": "mchd-3"}), at=IN_MARCH) == "mchd-3"


def test_it_is_for_one_principal_and_one_person():
    assert found(POWER.model_copy(update={"principal_inn": OTHER}), at=IN_MARCH) is None
    assert found(POWER, at=IN_MARCH, signer=OTHER) is None
    assert found(at=IN_MARCH) is None


def test_of_several_the_first_by_number():
    assert found(POWER, POWER.model_copy(update={"number": "mchd-1"}), at=IN_MARCH) == "mchd-1"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"agent_inn": COMPANY}, "no INN of 12 digits"),
        ({"agent_inn": PERSON[:-1] + "8"}, "no INN of 12 digits"),
        ({"principal_inn": "7736050004"}, "no INN of 10 or 12 digits"),
        ({"valid_until": date(2026, 2, 1)}, "put the two dates in order"),
    ],
)
def test_mistakes_in_the_file(changes: dict[str, object], said: str):
    with pytest.raises(ValidationError, match=said):
        PowerOfAttorneyRow.model_validate(POWER.model_dump() | changes)
