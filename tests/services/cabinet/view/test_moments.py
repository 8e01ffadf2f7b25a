"""The chronology of a page: few lines, long numbers beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.cabinet.timeline import Moment
from services.cabinet.view.moments import happenings

BEGIN = datetime(2026, 11, 30, 12, tzinfo=UTC)


def document(kind: str, verb: str, seconds: float, number: str = "472-930-1", detail: str | None = None) -> Moment:
    title = f"Документы на отгрузку № {number}: {verb}"
    return Moment(BEGIN + timedelta(seconds=seconds), kind, title, detail=detail, document_id=f"d-{number}")


def lines(*moments: Moment) -> list[tuple[str, tuple[str, ...]]]:
    return [(each.what, each.points) for each in happenings(moments, {})]


def test_what_is_sent_at_once_is_one_line():
    found = lines(
        document("document-issued", "составлен", 0),
        document("document-issued", "составлен", 1, "7"),
        document("document-dispatched", "отправлен", 2, detail="Отслеживание: 800"),
    )
    assert found == [
        ("Документы на отгрузку: составлен", ("№ 7",)),
        ("Документы на отгрузку: составлен и отправлен", ("№ 472-930-1", "Отслеживание: 800")),
    ]


def test_what_is_sent_later_are_two():
    found = lines(document("document-issued", "составлен", 0), document("document-dispatched", "отправлен", 3_600))
    assert [what for what, _ in found] == ["Документы на отгрузку: составлен", "Документы на отгрузку: отправлен"]


def test_other_moments_stay_as_they_are():
    invoiced = Moment(BEGIN, "invoiced", "Выставлен счет № 2026-0000011")
    assert lines(invoiced) == [("Выставлен счет № 2026-0000011", ())]
