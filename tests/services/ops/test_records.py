"""Records of a topic, a screen at a time: none is missed or shown twice, whatever lies between them; conditions are
bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from postavka.kernel.log.record import Record
from postavka.kernel.settings import Settings
from services.ops import records
from services.ops.records import PAGE, BadWhere, RecordBrowser, RecordFilter

END = 3_000
PLACES = range(3)


class Ends:
    """The offsets of a topic's partitions, as the brokers say them."""

    def beginnings(self, places: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return dict.fromkeys(places, 5)

    def ends(self, places: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return dict.fromkeys(places, END)


def there(offset: int) -> bool:
    """Markers of transactions take every other offset, and a long stretch has nothing else."""
    return offset % 2 == 0 and not 500 <= offset < 1_700


def record(partition: int, offset: int) -> Record:
    headers = (("ce_type", b"Approved.v1" if offset % 8 == 0 else b"Rejected.v1"),)
    body = b'{"amount": %d, "offset": %d}' % (offset % 100, offset)
    return Record("t", partition, offset, offset * 10 + partition, b"key-%d" % offset, body, headers)


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> RecordBrowser:
    def read(
        config: Settings, start: Mapping[tuple[str, int], int], ends: Mapping[tuple[str, int], int]
    ) -> Iterator[list[Record]]:
        for place, first in start.items():
            yield [record(place[1], offset) for offset in range(first, ends[place]) if there(offset)]

    monkeypatch.setattr(records, "read_records", read)
    monkeypatch.setattr(records, "PartitionOffsets", lambda config: Ends())
    return RecordBrowser(Settings(), "")


def walk(browser: RecordBrowser, wanted: RecordFilter, oldest_first: bool) -> list[Record]:
    at: Mapping[int, int] = dict.fromkeys(PLACES, 0 if oldest_first else 10**9)
    shown: list[Record] = []
    for _ in range(1_000):
        page = browser.page("t", at, wanted, oldest_first)
        assert len(page.records) <= PAGE
        shown += page.records
        at = page.next
        if not at:
            return shown
    raise AssertionError("screens without end")


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize("wanted", [RecordFilter(), RecordFilter(type="approved"), RecordFilter(text='"offset": 29')])
def test_screens_show_everything_that_fits_once(
    browser: RecordBrowser, wanted: RecordFilter, oldest_first: bool
) -> None:
    shown = walk(browser, wanted, oldest_first)
    everything = [record(place, offset) for place in PLACES for offset in range(5, END) if there(offset)]
    fitting = [each for each in everything if wanted.fits(each)]
    assert len(shown) == len(set(shown)), "none is shown twice"
    assert set(shown) == set(fitting)
    for place in PLACES:
        offsets = [each.offset for each in shown if each.partition == place]
        assert offsets == sorted(offsets, reverse=not oldest_first)


def test_a_screen_without_a_filter_is_in_the_order_of_time(browser: RecordBrowser) -> None:
    page = browser.page("t", dict.fromkeys(PLACES, END), RecordFilter(), False)
    times = [each.timestamp_ms for each in page.records]
    assert times == sorted(times, reverse=True)
    assert times[0] == (END - 2) * 10 + 2


def test_of_large_records_fewer_are_read_and_reading_goes_on(
    browser: RecordBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_BYTES", 300)
    at: Mapping[int, int] = {1: END}
    shown = []
    for _ in range(20):
        page = browser.page("t", at, RecordFilter(), False)
        shown += [each.offset for each in page.records]
        at = page.next
    assert shown == list(range(END - 2, shown[-1] - 1, -2)), "none is passed over"
    assert len(shown) >= 15


@pytest.mark.servers
@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("$.amount > 98", set()),
        ("$.amount >= 98", {98}),
        ("$.kit.number", {1}),
        ('$.buyer like_regex "^Рога"', {2}),
        ('$ ? (@.buyer == "Рога и копыта")', {2}),
    ],
)
def test_a_condition_is_a_predicate_or_a_path(database: str, where: str, found: set[int]) -> None:
    browser = RecordBrowser.__new__(RecordBrowser)
    browser._conninfo = database
    bodies = [b'{"amount": 98}', b'{"kit": {"number": "7"}}', '{"buyer": "Рога и копыта"}'.encode()]
    bodies += [b"not JSON", b'{"nul": "\\u0000"}', b""]
    numbers = {0: 98, 1: 1, 2: 2}
    made = [Record("t", 0, offset, 0, None, body, ()) for offset, body in enumerate(bodies)]
    fitting = browser._that_fit(made, RecordFilter(where=where))
    assert {numbers[each.offset] for each in fitting} == found


@pytest.mark.servers
@pytest.mark.parametrize("where", ["$.amount >", "no path", "$[", "1 = 1; SELECT 1", "$.a \x00"])
def test_what_is_no_condition_is_said_to_be_none(database: str, where: str) -> None:
    browser = RecordBrowser.__new__(RecordBrowser)
    browser._conninfo = database
    with pytest.raises(BadWhere):
        browser._that_fit([Record("t", 0, 0, 0, None, b"{}", ())], RecordFilter(where=where))
