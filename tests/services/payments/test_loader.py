"""Loading statements: what is sent, what is not sent again, and how long a large one takes to the books."""

from __future__ import annotations

import os
import time
from decimal import Decimal as D
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from events.topics import BANK_PAYMENTS
from postavka.kernel.blobs import open_blobs
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import Record
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.stage.runner import StageRunner
from services.billing.stage import STAGE
from services.payments import work_list
from services.payments.folder import StatementsFolder
from services.payments.loader import Loader
from services.payments.projection import Books
from services.payments.statement import LARGEST_FILE, BrokenStatement
from tests.services.memory import Log, Worker
from tests.services.payments.conftest import OpenRecorder
from tests.services.payments.statement.statements import OURS, THEIRS, document, outgoing, statement
from tests.services.test_money_conserved import billing_inputs


@pytest.fixture
def loader(settings: Settings) -> Loader:
    ensure_topics(settings, [BANK_PAYMENTS.name])
    return Loader(settings)


@pytest.fixture
def seen(settings: Settings, loader: Loader) -> set[str]:
    """Places of records that lay on the topic before this test."""
    return {record.coordinates for record in _on_topic(settings)}


def _on_topic(settings: Settings) -> list[Record]:
    offsets = {(BANK_PAYMENTS.name, number): 0 for number in range(PARTITIONS)}
    return [record for batch in read_records(settings, offsets) for record in batch]


def _new(settings: Settings, seen: set[str]) -> list[Record]:
    return [record for record in _on_topic(settings) if record.coordinates not in seen]


def test_overlapping_statements_send_each_document_once(settings: Settings, loader: Loader, seen: set[str]):
    first = statement([document(Номер="o1"), document(Номер="o2")]).encode("cp1251")
    second = statement([document(Номер="o2"), document(Номер="o3"), outgoing(Номер="o4")]).encode()
    reports = [loader.load(data, "s.txt", "test", "t") for data in (first, second, first)]
    assert [(each.new.count, each.new_returns.count, each.is_known) for each in reports] == [
        (2, 0, False),
        (1, 1, False),
        (0, 0, True),
    ]
    assert len(_new(settings, seen)) == 4
    assert open_blobs(settings).get(reports[1].sha256) == second
    loader.load(first, "s.txt", "test", "t", again=True)
    assert len(_new(settings, seen)) == 6
    assert "Этот файл уже загружался." in list(reports[2].lines())


def test_of_two_equal_payments_the_second_is_sent_even_if_an_older_release_knew_one(
    settings: Settings, loader: Loader, seen: set[str]
):
    """The first keeps the id that it had when equal documents were one."""
    one, two = (statement([document(Номер="twin")] * copies).encode() for copies in (1, 2))
    reports = [loader.load(data, "s.txt", "test", "t") for data in (one, two, two, one)]
    assert [each.new.count for each in reports] == [1, 1, 0, 0]
    assert len(_new(settings, seen)) == 2


def test_a_payment_known_by_the_other_sides_day_is_the_same_when_the_bank_gives_its_own(
    settings: Settings, loader: Loader, seen: set[str]
):
    """In both orders, and of equal payments each is one (A4)."""

    def load(*documents: dict[str, str], again: bool = False) -> tuple[int, int, int]:
        report = loader.load(shown(*documents), "s.txt", "test", "t", again=again)
        return report.new.count, report.recognised.count, report.odd.count

    def twin(**days: str) -> dict[str, str]:
        return document(Номер="two", **{"ДатаПоступило": "", **days})

    early, whole = {"ДатаСписано": "05.03.2026"}, {"ДатаСписано": "05.03.2026", "ДатаПоступило": "06.03.2026"}
    assert load(twin(**early)) == (1, 0, 0)
    assert load(twin(**whole)) == load(twin(**whole)) == (0, 1, 0)
    assert load(twin(**whole), twin(**whole)) == (1, 1, 0), "the bank's total counts two"
    assert load(twin(**{**whole, "ДатаПоступило": "07.03.2026"})) == (1, 0, 0), (
        "of the same debit day the next instalment"
    )
    assert len(_new(settings, seen)) == 3
    load(twin(**whole), twin(**whole), again=True)
    assert len(_new(settings, seen)) == 4, "the one that was known by another day is sent under that alone"
    later = {"Номер": "later", "ДатаПоступило": "06.03.2026", "ДатаСписано": "05.03.2026"}
    assert load(document(**later)) == (1, 0, 0)
    assert load(document(**later | {"ДатаПоступило": ""})) == (0, 1, 0)


def shown(*documents: dict[str, str]) -> bytes:
    """A statement of these, with totals where it has the days of our account."""
    return statement(documents, totals=all(each["ДатаПоступило"] for each in documents)).encode()


def test_where_the_other_sides_day_is_not_shown_again_a_person_says_whether_it_is_the_same(
    settings: Settings, loader: Loader, seen: set[str]
):
    for number in ("p1", "p2"):
        early = document(Номер=number, ДатаПоступило="", ДатаСписано="05.03.2026")
        assert loader.load(shown(early), "s.txt", "test", "t").new.count == 1
        own = document(Номер=number, ДатаПоступило="06.03.2026")
        report = loader.load(statement([own]).encode(), "t.txt", "test", "t")
        assert (report.new.count, report.came.count, report.odd.count) == (0, 0, 1)
        assert "с датой другой стороны" in "\n".join(report.lines())
    one, other = _waiting(settings)
    assert loader.close(one["id"], "orlova", "тот же")
    assert loader.book(other["id"], "orlova", "второй транш")
    loader.load(statement([own]).encode(), "t.txt", "test", "t")
    assert _waiting(settings) == []
    assert len(_new(settings, seen)) == 3
    far = document(Номер="p1", ДатаПоступило="26.03.2026")
    assert loader.load(statement([far]).encode(), "t.txt", "test", "t").new.count == 1, "days of two payments"


def test_what_was_sent_before_days_were_kept_is_asked_about(settings: Settings, loader: Loader, seen: set[str]):
    early = document(Номер="old", ДатаПоступило="", ДатаСписано="05.03.2026")
    loader.load(shown(early), "s.txt", "test", "t")
    with psycopg.connect(_url(settings), autocommit=True) as connection:
        connection.execute("UPDATE payments.sent SET bank_order = NULL, by_other_day = NULL")
    both = document(Номер="old", ДатаПоступило="06.03.2026", ДатаСписано="05.03.2026")
    assert loader.load(statement([both]).encode(), "t.txt", "test", "t").odd.count == 1
    loader.load(shown(early), "s.txt", "test", "t")  # seen again, its days are known
    assert loader.load(statement([both]).encode(), "t.txt", "test", "t").recognised.count == 1
    assert len(_new(settings, seen)) == 1


def test_of_selected_documents_the_report_says_what_totals_do_not_prove(loader: Loader):
    text = statement([document(Номер="sel")]).replace("РасчСчет=", "Документ=Платежное поручение\nРасчСчет=", 1)
    assert "только отобранные документы (Платежное поручение)" in "\n".join(
        loader.load(text.encode(), "s.txt", "test", "t").lines()
    )


def test_an_odd_document_waits_once_until_a_person_has_dealt_with_it(
    settings: Settings, loader: Loader, seen: set[str]
):
    odd = document(Номер="odd", Дата="вчера")
    reports = [
        loader.load(statement([document(Номер=number), odd]).encode(), f"{number}.txt", "test", "t")
        for number in ("w1", "w2")
    ]
    assert [(each.new.count, each.odd.count, each.odd.amount) for each in reports] == [(1, 1, D("20160.00"))] * 2
    assert any("Дата «вчера»" in line for line in reports[0].lines())
    ((waits,), _) = _waiting(settings), _new(settings, seen)
    assert (waits["statement_name"], waits["amount"], waits["message"]) == ("w1.txt", D("20160.00"), None)
    assert waits["body"].startswith("СекцияДокумент=Платежное поручение\nНомер=odd\nДата=вчера\n")
    assert not loader.book(waits["id"], "orlova", "не прочесть"), "what can't be read can't be booked"
    assert loader.close(waits["id"], "orlova", "исправлено")
    assert not loader.close(waits["id"], "orlova", "ещё раз")
    loader.load(statement([document(Номер="w1"), odd]).encode(), "w1.txt", "test", "t")
    assert _waiting(settings) == []
    assert len(_new(settings, seen)) == 2


def test_a_doubtful_payment_is_booked_by_a_word_or_by_a_later_total(settings: Settings, loader: Loader, seen: set[str]):
    twins = {number: [document(Номер=number)] * 2 for number in ("d1", "d2")}
    unproved = statement([*twins["d1"], *twins["d2"]], totals=False).encode()
    assert loader.load(unproved, "s.txt", "test", "t").odd.count == 2
    first, _ = _waiting(settings)
    assert loader.book(first["id"], "orlova", "банк подтвердил по телефону")
    assert not loader.book(first["id"], "orlova", "ещё раз")
    assert loader.load(statement(twins["d2"]).encode(), "t.txt", "test", "t").new.count == 1
    assert _waiting(settings) == []
    assert loader.load(statement(twins["d1"]).encode(), "u.txt", "test", "t").new.count == 0, "booked by hand"
    records = _new(settings, seen)
    assert len({record.key for record in records}) == len(records) == 4
    loader.load(unproved, "s.txt", "test", "t", again=True)
    assert len(_new(settings, seen)) == 8, "what was booked by hand is sent again as well"


def test_nothing_of_a_broken_or_foreign_file_is_sent(settings: Settings, loader: Loader, seen: set[str]):
    cut = statement([document(Номер="c1")]).replace("КонецФайла", "").encode()
    with pytest.raises(BrokenStatement):
        loader.load(cut, "s.txt", "test", "t")
    with pytest.raises(BrokenStatement, match="не наш"):
        Loader(settings, frozenset({THEIRS})).load(statement([document()]).encode(), "s.txt", "test", "t")
    ours = Loader(settings, frozenset({OURS}))
    assert ours.load(statement([document()]).encode(), "s.txt", "test", "t").new.count == 1
    assert len(_new(settings, seen)) == 1


def test_a_crash_before_the_note_sends_again_and_changes_nothing(settings: Settings, loader: Loader, seen: set[str]):
    data = statement([document(Номер="k1")]).encode()
    report = loader.load(data, "s.txt", "test", "t")
    with psycopg.connect(_url(settings), autocommit=True) as connection:
        connection.execute("TRUNCATE payments.sent, payments.statements")
    assert loader.load(data, "s.txt", "test", "t").new == report.new
    records = _new(settings, seen)
    assert len(records) == 2
    log = Log()
    billing = Worker(STAGE, billing_inputs(), log)
    log.topics[BANK_PAYMENTS.name] = [_at(record, number) for number, record in enumerate(records)]
    billing.read([BANK_PAYMENTS.name], 10)
    assert len(billing.told()) == 1


def test_files_of_a_folder_are_moved_with_a_report(loader: Loader, tmp_path: Path):
    folder = StatementsFolder(tmp_path / "in", lambda: loader)
    good, bad = tmp_path / "in" / "a.txt", tmp_path / "in" / "b.txt"
    for _ in range(2):
        good.write_bytes(statement([document(Номер="f1")]).encode("cp866", "replace"))
        bad.write_bytes(b"nonsense")
        (tmp_path / "in" / "c.part").write_bytes(b"on its way")
        assert folder.take_all() == 2  # too fresh: they may be still being written
        past = time.time() - 60
        for each in (good, bad):
            os.utime(each, (past, past))
        assert folder.take_all() == 0
    left = sorted(str(path.relative_to(tmp_path / "in")) for path in (tmp_path / "in").rglob("*") if path.is_file())
    assert left == [
        *("broken/b-2.txt", "broken/b-2.txt.report.txt", "broken/b.txt", "broken/b.txt.report.txt", "c.part"),
        *("done/a-2.txt", "done/a-2.txt.report.txt", "done/a.txt", "done/a.txt.report.txt"),
    ]
    said = (tmp_path / "in" / "broken" / "b.txt.report.txt").read_text("utf-8")
    assert "строка 1: Это не выписка" in said
    assert "уже загружался" in (tmp_path / "in" / "done" / "a-2.txt.report.txt").read_text("utf-8")


def test_links_pipes_and_what_is_too_large_are_refused(loader: Loader, tmp_path: Path, settings: Settings):
    """Who may write into the folder reads nothing by it that lies elsewhere, and stops nothing."""
    place, secret = tmp_path / "in", tmp_path / "secret.txt"
    folder = StatementsFolder(place, lambda: loader)
    secret.write_bytes(statement([document(Номер="secret")]).encode("cp1251"))
    (place / "link.txt").symlink_to(secret)
    (place / "nowhere.txt").symlink_to(tmp_path / "nothing")
    os.mkfifo(place / "pipe.txt")
    with (place / "large.txt").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    for each in place.iterdir():
        os.utime(each, (1, 1), follow_symlinks=False)
    before = _on_topic(settings)
    assert folder.take_all() == 0
    said = {path.name: path.read_text("utf-8") for path in (place / "broken").glob("*.report.txt")}
    assert {name.removesuffix(".report.txt"): text.splitlines()[1] for name, text in said.items()} == {
        "link.txt": "Это ссылка, а не файл: положите сам файл.",
        "nowhere.txt": "Это ссылка, а не файл: положите сам файл.",
        "pipe.txt": "Это не файл.",
        "large.txt": "Файл больше 32 МБ: разделите выписку.",
    }
    assert secret.exists()
    assert _on_topic(settings) == before


def test_ten_thousand_documents_reach_the_books(
    settings: Settings, loader: Loader, seen: set[str], open_recorder: OpenRecorder, tmp_path: Path
):
    """From the folder. The times are printed, not judged: the machine is shared."""
    documents = [document(Номер=f"t{number}", Сумма=f"{number}.00") for number in range(1, 10_001)]
    folder = StatementsFolder(tmp_path / "in", lambda: loader)
    (tmp_path / "in" / "large.txt").write_bytes(statement(documents).encode("cp1251"))
    os.utime(tmp_path / "in" / "large.txt", (1, 1))
    times = [time.perf_counter()]
    assert folder.take_all() == 0
    assert "из них новых: 10000" in (tmp_path / "in" / "done" / "large.txt.report.txt").read_text("utf-8")
    times.append(time.perf_counter())
    records = _new(settings, seen)
    times.append(time.perf_counter())
    recorder = open_recorder()
    runner = StageRunner(STAGE, recorder, billing_inputs(), 1_000)
    for start in range(0, len(records), 1_000):
        runner.handle(records[start : start + 1_000])
    times.append(time.perf_counter())
    books = Books(settings)
    books.marks([f"{BANK_PAYMENTS.name}/{number}" for number in range(PARTITIONS)])
    for start in range(0, len(records), 2_000):
        books.project(records[start : start + 2_000])
    times.append(time.perf_counter())
    assert recorder.head() == 10_000
    with psycopg.connect(_url(settings)) as connection:
        found = connection.execute("SELECT count(*), sum(amount) FROM payments.reported").fetchone()
    assert found == (10_000, 10_000 * 10_001 // 2)
    load, _, bill, book = (after - before for before, after in pairwise(times))
    print(f"\n10,000 documents: load {load:.1f} s, billing {bill:.1f} s, books {book:.1f} s")


def _waiting(settings: Settings) -> list[work_list.Row]:
    with work_list.connect(_url(settings)) as connection:
        return work_list.waiting_documents(connection)


def _at(record: Record, offset: int) -> Record:
    return Record(record.topic, 0, offset, 0, record.key, record.value, record.headers)


def _url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()
