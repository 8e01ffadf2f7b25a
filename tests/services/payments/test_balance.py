"""The days of a balance, as an address names them."""

from __future__ import annotations

from datetime import date

import pytest

from services.payments import balance


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        ("", "", (date(2026, 11, 1), date(2026, 11, 30))),
        ("2026-09-15", "", (date(2026, 9, 15), date(2026, 11, 30))),
        ("", "2026-03-10", (date(2026, 3, 1), date(2026, 3, 10))),
        ("2026-03-10", "2026-01-02", (date(2026, 1, 2), date(2026, 3, 10))),
        ("вчера", "2026-13-01", (date(2026, 11, 1), date(2026, 11, 30))),
    ],
)
def test_any_days_and_this_month_where_none_are_named(
    monkeypatch: pytest.MonkeyPatch, since: str, until: str, days: tuple[date, date]
):
    monkeypatch.setattr(balance, "today", lambda: date(2026, 11, 30))
    assert balance.days(since, until) == days
