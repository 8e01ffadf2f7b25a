"""Who looked at which request: every way to see one is noted, however its address is spelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from events.request import REQUEST_TYPE
from postavka.kernel.log.record import Record
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.migration import EVENT_STORE, migrate
from postavka.kernel.store.recorder import Batch, DeadLetter, EventRecorder
from services.audit.history.access_log import prepare
from services.ops.store import prepare as prepare_ops
from services.payments.projection import prepare as prepare_books
from tests.services.ops.test_history import START, event
from tests.web.conftest import Person, Site
from tests.web.stories import Story


@pytest.fixture(scope="module")
def request_id(site: Site) -> UUID:
    """A request with an event in the store and a dead letter."""
    story = Story(buyer="ООО «Единорог»").submitted().approved()
    site.write(story)
    migrate(site.database, "request", EVENT_STORE)
    migrate(site.database, "billing", EVENT_STORE)
    migrate(site.database, "shipping", EVENT_STORE)
    prepare_ops(site.database)
    prepare(site.database)
    for stage, batch in (
        ("request", Batch(events=[event(story.request_id, 1, "RequestSubmitted.v1")])),
        ("billing", Batch(dead_letters=[_letter(story.request_id)])),
        ("shipping", Batch(dead_letters=[_unread(story.request_id)])),
    ):
        datastore = SchemaDatastore(site.database, stage)
        EventRecorder(datastore).append(batch)
        datastore.close()
    return story.request_id


def _letter(request: UUID) -> DeadLetter:
    record = Record("manufacturing.kits", 0, uuid4().int % 10**9, 1_773_662_400_000, b"key", b"{broken", ())
    return DeadLetter(record, "bad-body", "not JSON", request)


def _unread(request: UUID) -> DeadLetter:
    """Its body could not be read, so that it has no subject."""
    record = Record("commands.documents", 0, uuid4().int % 10**9, 1_773_662_400_000, str(request).encode(), b"{", ())
    return DeadLetter(record, "unreadable", "not JSON", None)


@pytest.fixture(scope="module")
def ops(site: Site) -> Person:
    return site.person("ops")


@pytest.fixture
def noted(site: Site, request_id: UUID) -> Iterator[list[str]]:
    """A test puts in what it expects to be noted of the request; compared at its end."""
    last = site.sql("SELECT coalesce(max(id), 0) FROM audit.looked")[0][0]
    found: list[str] = []
    yield found
    rows = site.sql("SELECT what FROM audit.looked WHERE id > %s AND request_id = %s ORDER BY id", last, request_id)
    assert [what for (what,) in rows] == found


SPELLINGS: dict[str, Callable[[UUID], str]] = {
    "plain": str,
    "capitals": lambda each: str(each).upper(),
    "without hyphens": lambda each: each.hex,
    "braces": lambda each: "{" + str(each) + "}",
    "urn": lambda each: f"urn:uuid:{each}",
}


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("address", ["/ops/requests/{}", "/requests/{}", "/api/v1/ops/requests/{}/way"])
def test_an_id_may_be_spelled_in_any_way(
    ops: Person, request_id: UUID, noted: list[str], address: str, spelled: Callable[[UUID], str]
):
    path = address.format(spelled(request_id))
    answer = ops.get(path)
    assert answer.status_code == 200
    noted.append(path)


@pytest.mark.parametrize(
    "address",
    [
        "/ops/stream?request_id={}",
        "/api/v1/ops/events?request_id={}",
        "/ops/events/request/{position}",
        "/ops/letters?stage=billing",
        "/ops/letters/billing/{letter}",
        "/ops/letters?stage=shipping",
        "/api/v1/ops/letters/billing",
        "/api/v1/ops/letters/billing/{letter}",
        "/ops/search?q=Единорог",
        f"/requests/new/{REQUEST_TYPE}?copy={{}}",
    ],
)
def test_what_an_answer_shows_is_noted_though_its_address_does_not_say_so(
    site: Site, ops: Person, request_id: UUID, noted: list[str], address: str
):
    if "search" in address:
        site.write(Story(buyer="ООО «Единорог»").submitted())  # with one alone the search leads to its page
    person = site.person("lukomor") if "copy" in address else ops
    ((position,),) = site.sql("SELECT notification_id FROM request.stored_events WHERE originator_id = %s", request_id)
    ((letter,),) = site.sql("SELECT id FROM billing.dead_letters WHERE subject = %s", request_id)
    path = address.format(request_id, position=position, letter=letter)
    assert person.get(path).status_code == 200
    noted.append(path.partition("?")[0])


def test_a_part_of_the_home_that_shows_no_request_notes_none(
    site: Site, ops: Person, request_id: UUID, noted: list[str]
):
    """What burns is fetched anew every five seconds; the times of the stages name the longest request of each."""
    datastore = SchemaDatastore(site.database, "billing")
    now = (datetime.now(UTC) - START).total_seconds()
    cause = f"/postavka/request#{request_id}/1"
    EventRecorder(datastore).append(Batch(events=[event(request_id, now, "BillingOpened.v1", cause)]))
    datastore.close()
    assert str(request_id) not in ops.get("/ops", headers={"X-Part": "burning"}).text
    assert str(request_id) in ops.get("/ops", headers={"X-Part": "stages"}).text
    noted.append("/ops")


@pytest.mark.parametrize("address", ["/ops/money", "/ops/money/refunds", "/ops/money/month", "/ops/money/month.xlsx"])
def test_what_pages_about_money_show_is_noted(
    site: Site, ops: Person, request_id: UUID, noted: list[str], address: str
):
    """A suggested invoice, a debt, what is open in a month: each is a request's."""
    prepare_books(site.database)
    site.sql(
        "INSERT INTO payments.invoices (number, request_id, issued_on, amount, payer_id, payer_inn, paid, due, "
        "overpaid, owed, is_debt) VALUES ('2026-0000077', %s, '2026-03-16', 100, 'lukomor', '1', 0, 100, 0, 0, true) "
        "ON CONFLICT DO NOTHING",
        request_id,
    )
    site.sql(
        "INSERT INTO payments.sales (request_id, channel, partner_id, partner_name, partner_inn, amount, approved_on) "
        "VALUES (%s, 'direct', 'lukomor', 'Лукоморье', '1', 100, '2026-03-16') ON CONFLICT DO NOTHING",
        request_id,
    )
    site.sql(
        "INSERT INTO payments.booked (id, incoming, amount, moved_on, other_inn, place, purpose, effect, booked_at) "
        "VALUES ('bp-1', true, 100, '2026-03-17', '1', %s, 'за товар', 'unmatched', now()) ON CONFLICT DO NOTHING",
        uuid4(),
    )
    query = "?month=2026-03" if "month" in address else ""
    assert ops.get(address + query).status_code == 200
    noted.append(address)


def test_a_refused_correction_shows_the_letter(site: Site, ops: Person, request_id: UUID, noted: list[str]):
    ((letter,),) = site.sql("SELECT max(id) FROM shipping.dead_letters")
    path = f"/ops/letters/shipping/{letter}"
    refused = {"key": str(uuid4()), "value": "{}", "reason": "похоже на опечатку"}
    assert ops.submit(f"{path}/correct", refused, page=path).status_code == 422
    noted += [path, f"{path}/correct"]  # the form's page comes first
    retried = ops.submit(f"{path}/retry", {}, page="/ops/letters")
    assert retried.status_code == 303  # shows nothing


def test_what_is_not_shown_is_not_noted(site: Site, ops: Person, request_id: UUID, noted: list[str]):
    strange = site.person("romashka-it")
    assert strange.get(f"/requests/{request_id}").status_code == 404
    assert ops.get(f"/ops/stream?request_id={uuid4()}").status_code == 200
    assert ops.head(f"/ops/events/request/{10**9}").status_code in (404, 405)
    assert noted == []


def test_the_live_stream_notes_what_it_tells_once(site: Site, ops: Person, request_id: UUID, noted: list[str]):
    with ops.stream("GET", f"/ops/stream/events?request_id={request_id}") as answer:
        lines = answer.iter_lines()
        next(line for line in lines if line.startswith("data"))  # before the first news: nothing is shown
        for position in (10**6, 10**6 + 1):
            site.app.state.ops_feed.take([_told(request_id, position)])
            next(line for line in lines if line.startswith("data") and str(position) in line)
    noted.append("/ops/stream/events")


def _told(request: UUID, position: int) -> Record:
    headers = {"ce_type": "Approved.v1", "ce_subject": str(request), "ce_time": "2026-03-16T09:30:00Z"}
    pairs = [(name, text.encode()) for name, text in {**headers, "ce_position": str(position)}.items()]
    return Record("approval.events", 0, position, 1_773_662_400_000, b"key", b"{}", tuple(pairs))
