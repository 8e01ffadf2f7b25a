"""Reference data: the file's checks, versions that can be read back, look-ups that survive a restart of PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from stdnum.ru import inn

from events.model import Delivery
from events.reference import Contract, Service
from postavka.domain.calendar import today
from postavka.domain.reference import store
from postavka.domain.reference.file import ReferenceFile, ReferenceFileError, read_file
from postavka.domain.reference.store import Changes, Registration, UnknownVersion
from tests.paths import PROJECT

SAMPLE = PROJECT / "deploy" / "reference" / "sample.toml"
TODAY = date(2026, 3, 1)

FILE = """
distributors = [{ id = "dist-1", name = "Дистрибьютор", inn = "7736050003", kpp = "773601001" }]
base_deliveries = [{ id = "upp", name = "УПП" }]
registrations = [{ number = "1234567", contracts = [
    { number = "C-1", valid_from = 2024-01-01, valid_until = 2030-12-31 },
] }]

[[partners]]
id = "vasilek"
name = "Василёк"
inn = "7707083893"
kpp = "773601001"
contacts = [{ id = "anna", name = "Анна" }, { id = "boris", name = "Борис" }]

[[partners]]
id = "romashka"
name = "Ромашка"
inn = "500100732259"
contacts = [{ id = "anna", name = "Анна" }]

[[products]]
id = "upp-12"
service = "upp-extension"
name = "Продление"
months = 12
price = 32400.00
vat_rate = 20
fits = ["upp"]
"""


@pytest.fixture(autouse=True)
def a_fixed_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "today", lambda: TODAY)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes `FILE` with pieces replaced; each piece has to be there."""

    def written(*replaced: tuple[str, str]) -> Path:
        text = FILE
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "reference.toml"
        path.write_text(text, "utf-8")
        return path

    return written


def a_file(write: Callable[..., Path], *replaced: tuple[str, str]) -> ReferenceFile:
    return read_file(write(*replaced))


# The file


def test_a_file_is_read_exactly(write):
    file = a_file(write)
    assert file.products[0].price == Decimal("32400.00")
    assert file.partners[0].delivery is Delivery.POST, "EDO only where there is an agreement (L15)"
    assert [contact.id for contact in file.partners[0].contacts] == ["anna", "boris"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"500100732259"', '"500100732250"', "partners[2] \"romashka\": inn: the check digits of '500100732250'"),
        ('"7707083893"', '"0000000000"', "partners[1] \"vasilek\": inn: the check digits of '0000000000'"),
        ('"7707083893"', '"7707083890"', "partners[1] \"vasilek\": inn: the check digits of '7707083890'"),
        ('"7707083893"', '"77070838"', "has to be 10 digits (organisation) or 12 (sole trader); correct it"),
        ('"7707083893"', '" 7707083893"', "has to be 10 digits"),
        ('"7707083893"', "7707083893", 'partners[1] "vasilek": inn: 7707083893 has to be text; put it in quotes'),
        ('kpp = "773601001"\ncontacts', 'kpp = "77360100"\ncontacts', "kpp: '77360100' has to be 9 characters"),
        ('kpp = "773601001"\ncontacts', 'kpp = "7736ab001"\ncontacts', "kpp: '7736ab001' has to be 9 characters"),
        ('kpp = "773601001"\ncontacts', "contacts", "kpp: an organisation (INN of 10 digits) has one; add it"),
        (
            'inn = "500100732259"',
            'inn = "500100732259"\nkpp = "773601001"',
            "kpp: a sole trader (INN of 12 digits) has none; take '773601001' out",
        ),
        ('id = "romashka"', 'id = "vasilek"', "partners: the id 'vasilek' is there twice"),
        ('id = "boris"', 'id = "anna"', "partners[1] \"vasilek\": contacts: the id 'anna' is there twice"),
        (', name = "Борис"', "", 'partners[1] "vasilek": contacts[2] "boris": name: it is missing; add it'),
        ('fits = ["upp"]', 'fits = ["upp", "abc"]', "products[1] \"upp-12\": fits: there is no base delivery 'abc'"),
        ('fits = ["upp"]', "fits = []", 'products[1] "upp-12": fits: '),
        ("price = 32400.00", "price = 32400.001", 'products[1] "upp-12": price: '),
        ("price = 32400.00", "price = -1", 'products[1] "upp-12": price: '),
        ('id = "dist-1"', 'id = "dist.1"', 'distributors[1] "dist.1": id: it is a part of a topic\'s name'),
        ('id = "dist-1"', f'id = "{"d" * 51}"', "use 1 to 50 small latin letters, digits and hyphens only"),
        ('"1234567"', '"123456"', 'registrations[1] "123456": number: '),
        ('"1234567"', '"12345678901"', 'registrations[1] "12345678901": number: string should match'),
        ("2030-12-31", "2023-12-31", "registrations[1] \"1234567\": contracts: 'C-1' ends on 2023-12-31, before"),
        ('name = "Ромашка"', 'name = "Ромашка"\nfax = "1"', 'partners[2] "romashka": fax: there is no such field'),
        ('name = "Ромашка"', 'name = "Ромашка"\ncountry = "ru"', 'partners[2] "romashka": country: '),
        ('name = "Ромашка"', 'name = "Ромашка"\ndelivery = "fax"', 'partners[2] "romashka": delivery: '),
        ("[[products]]", "[[products]", "it is not TOML in UTF-8"),
    ],
)
def test_a_mistake_is_named_with_its_entry(write, old: str, new: str, sentence: str):
    with pytest.raises(ReferenceFileError) as refused:
        a_file(write, (old, new))
    assert sentence in str(refused.value)


def test_every_mistake_is_reported_at_once(write):
    with pytest.raises(ReferenceFileError) as refused:
        a_file(write, ('"7707083893"', '"1"'), ('"500100732259"', '"2"'), ("2030-12-31", "2020-01-01"))
    assert len(refused.value.problems) == 3


def test_a_partner_abroad_has_a_tax_number_of_its_own_country(write):
    file = a_file(write, ('inn = "500100732259"', 'inn = "123456789012"\ncountry = "KZ"'))
    assert file.partners[1].country == "KZ"


def test_the_sample_has_one_of_each_case():
    file = read_file(SAMPLE)
    partners = file.partners
    assert {each.delivery for each in partners} == {Delivery.EDO, Delivery.POST}
    assert any(len(each.inn) == 12 for each in partners)
    assert any(not each.authorised for each in partners)
    assert {each.id for each in file.distributors} == {"dist-north", "dist-center", "dist-ural"}
    assert all(each.inn.startswith("00") and inn.is_valid(each.inn) for each in (*partners, *file.distributors)), (
        "nobody's INN begins with 00: the sample names no real company"
    )
    powers = file.powers_of_attorney
    assert {each.principal_inn for each in powers} <= {each.inn for each in file.distributors}
    # In a certificate 00 before ten digits means an organisation, so this one can't begin so; it is a known example.
    assert [each.agent_inn for each in powers] == ["500100732259"]
    for service in Service:  # L1, L9
        assert {each.months for each in file.products if each.service is service} == {1, 3, 6, 12}
    fits = {
        service: {one for each in file.products if each.service is service for one in each.fits} for service in Service
    }
    assert not fits[Service.UPP_EXTENSION] & fits[Service.ITS_INDUSTRY]  # L7


# Versions


def test_before_the_first_load_there_is_nothing(database: str):
    assert store.distributor_ids(database) == []
    assert store.current(database).version == 0
    assert store.snapshot(database).partners == {}
    assert store.find_registrations(database, ["1234567"]) == {}
    with pytest.raises(UnknownVersion):
        store.snapshot(database, 1)


def test_what_was_loaded_is_current(database: str, write):
    file = a_file(write)
    report = store.load(database, file, "тест")
    assert (report.version, report.created) == (1, True)
    assert report.changes["partner"] == Changes(added=2)
    assert report.changes["contract"] == Changes(added=1)
    now = store.current(database)
    assert now.version == 1
    assert now.partners["vasilek"].partner == file.partners[0].partner()
    assert now.partners["vasilek"].contacts == {each.id: each for each in file.partners[0].contacts}
    assert now.products["upp-12"].product == file.products[0].product(today())
    assert now.products["upp-12"].fits == {"upp"}
    assert now.base_deliveries["upp"] == file.base_deliveries[0]
    assert store.distributor_ids(database) == ["dist-1"]


def test_the_same_content_makes_no_new_version(database: str, write):
    file = a_file(write)
    store.load(database, file, "one")
    turned = file.model_copy(update={"partners": tuple(reversed(file.partners))})
    report = store.load(database, turned, "two")
    assert (report.version, report.created) == (1, False)
    assert set(report.changes.values()) == {Changes()}


def test_an_old_version_can_be_read_back(database: str, write):
    first = a_file(write)
    second = a_file(write, ("32400.00", "33000.00"), ('id = "romashka"', 'id = "vetka"'), ("2030-12-31", "2031-12-31"))
    store.load(database, first, "one")
    before = store.snapshot(database)
    report = store.load(database, second, "two")
    assert report.changes["product"] == Changes(changed=1)
    assert report.changes["partner"] == Changes(added=1, removed=1)
    assert report.changes["distributor"] == Changes()
    assert report.changes["contract"] == Changes(changed=1)
    assert store.current(database).version == 2, "a load is seen at once by the process that did it"
    assert set(store.current(database).partners) == {"vasilek", "vetka"}
    assert store.snapshot(database, 1) == before
    assert store.snapshot(database, 0).partners == {}

    assert store.load(database, first, "three").version == 3, "what was removed may come back"
    assert store.snapshot(database).partners == before.partners
    assert store.snapshot(database, 2).products["upp-12"].product.price == Decimal("33000.00")
    with pytest.raises(UnknownVersion, match="no version 4"):
        store.snapshot(database, 4)


def test_a_version_of_another_process_is_seen_within_a_second(database: str, write, monkeypatch: pytest.MonkeyPatch):
    clock = [100.0]
    monkeypatch.setattr(store.time, "monotonic", lambda: clock[0])
    store.load(database, a_file(write), "one")
    first = store.current(database)
    clock[0] += 2
    assert store.current(database) is first, "the same version is not read again"
    cached = dict(store._cache)
    store.load(database, a_file(write, ("32400.00", "33000.00")), "two")
    store._cache.update(cached)  # as if somebody else had loaded it
    clock[0] += 0.9
    assert store.current(database).version == 1
    clock[0] += 0.2
    assert store.current(database).version == 2


def test_loads_at_the_same_time_make_one_version_each(database: str, write):
    files = [a_file(write, ("32400.00", f"{price}.00")) for price in range(1000, 1006)]
    reports: list[store.LoadReport] = []
    threads = [
        threading.Thread(target=lambda each=each: reports.append(store.load(database, each, "t"))) for each in files
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.version for report in reports) == [1, 2, 3, 4, 5, 6]


# Registrations (L19)


def registered(*contracts: tuple[str, str, str]) -> str:
    rows = ", ".join(f'{{ number = "{n}", valid_from = {a}, valid_until = {b} }}' for n, a, b in contracts)
    return f"contracts = [{rows}] }}]"


OLD = ("OLD", "2019-01-01", "2019-12-31")
OLDER = ("OLDER", "2018-01-01", "2018-12-31")
ACTIVE = ("ACTIVE", "2026-03-01", "2026-06-30")
ENDS_TODAY = ("ENDS", "2025-03-02", "2026-03-01")
FUTURE = ("FUTURE", "2026-03-02", "2030-12-31")


@pytest.mark.parametrize(
    ("contracts", "expected"),
    [
        ((), None),
        ((OLD,), "OLD"),
        ((OLD, OLDER), "OLD"),
        ((ACTIVE, OLD), "ACTIVE"),
        ((ENDS_TODAY,), "ENDS"),
        ((ENDS_TODAY, ACTIVE), "ACTIVE"),
        ((FUTURE, OLD), "OLD"),
        ((FUTURE, ACTIVE, OLD), "ACTIVE"),
        ((FUTURE,), None),
    ],
)
def test_the_contract_is_the_one_that_is_or_was_last_valid(database: str, write, contracts: Any, expected: str | None):
    old = FILE[FILE.index("contracts = [\n") : FILE.index("\n\n[[partners]]")]
    store.load(database, a_file(write, (old, registered(*contracts))), "t")
    found = store.find_registrations(database, ["1234567"])["1234567"]
    assert found.number == "1234567"
    assert (found.contract.number if found.contract else None) == expected


def test_registrations_are_found_in_one_go_and_unknown_ones_left_out(database: str):
    store.load(database, read_file(SAMPLE), "t")
    found = store.find_registrations(
        database, ["1000001", "1000001", "20000012", "3000001", "9999999", "", "'; --", "1\x00", "я" * 5000]
    )
    assert set(found) == {"1000001", "20000012", "3000001"}
    assert found["1000001"].contract == Contract(
        number="ITS-2024-0001", valid_from=date(2024, 1, 1), valid_until=date(2030, 12, 31)
    )
    assert found["20000012"].contract is not None
    assert found["20000012"].contract.valid_until == date(2021, 6, 30)
    assert found["3000001"] == Registration("3000001", None)
    assert store.find_registrations(database, []) == {}


def test_a_removed_registration_or_contract_is_not_found(database: str, write):
    store.load(database, a_file(write), "t")
    assert store.find_registrations(database, ["1234567"])["1234567"].contract is not None
    old = FILE[FILE.index("contracts = [\n") : FILE.index("\n\n[[partners]]")]
    report = store.load(database, a_file(write, (old, registered())), "t")
    assert (report.changes["registration"], report.changes["contract"]) == (Changes(), Changes(removed=1))
    assert store.find_registrations(database, ["1234567"])["1234567"].contract is None
    store.load(database, a_file(write, ('"1234567"', '"7654321"')), "t")
    assert set(store.find_registrations(database, ["1234567", "7654321"])) == {"7654321"}


# PostgreSQL goes away


def cut_connections(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_lookup_keeps_its_connection_and_survives_a_restart(database: str, write, monkeypatch: pytest.MonkeyPatch):
    opened: list[object] = []
    connect = psycopg.connect
    store.load(database, a_file(write), "t")
    monkeypatch.setattr(store.psycopg, "connect", lambda *a, **k: opened.append(a) or connect(*a, **k))
    for _ in range(5):
        assert set(store.find_registrations(database, ["1234567"])) == {"1234567"}
    assert len(opened) == 1
    monkeypatch.undo()
    cut_connections(database)
    monkeypatch.setattr(store, "today", lambda: TODAY)
    assert set(store.find_registrations(database, ["1234567"])) == {"1234567"}
    cut_connections(database)
    assert store.snapshot(database).version == 1


def test_when_postgresql_stays_away_the_error_goes_through(database: str, write, monkeypatch: pytest.MonkeyPatch):
    store.load(database, a_file(write), "t")
    assert store.find_registrations(database, ["1234567"])
    cut_connections(database)
    connect = psycopg.connect
    tried: list[object] = []

    def refuse(*args: Any, **kwargs: Any) -> Any:
        tried.append(args)
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(store.psycopg, "connect", refuse)
    with pytest.raises(psycopg.OperationalError):
        store.find_registrations(database, ["1234567"])
    assert len(tried) == 1, "one new connection is tried, the rest is the caller's"
    monkeypatch.setattr(store.psycopg, "connect", connect)
    assert set(store.find_registrations(database, ["1234567"])) == {"1234567"}


def test_each_thread_has_a_connection_of_its_own(database: str, write):
    store.load(database, a_file(write), "t")
    results: list[int] = []

    def look() -> None:
        for _ in range(20):
            results.append(len(store.find_registrations(database, ["1234567"])))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1] * 160


@pytest.mark.parametrize("email", ["иванов@mail.ru", "a..b@mail.ru", "user@-mail.ru", "anna"])
def test_a_contact_whose_address_cannot_be_mailed_is_named(tmp_path: Path, email: str):
    file = tmp_path / "reference.toml"
    file.write_text(FILE.replace('name = "Анна" }', f'name = "Анна", email = "{email}" }}', 1))
    with pytest.raises(ReferenceFileError, match=r"contacts\[1\] \"anna\": email: .* can't be mailed"):
        read_file(file)


def test_a_contact_with_a_domain_in_cyrillic_is_kept_as_it_was_typed(tmp_path: Path):
    file = tmp_path / "reference.toml"
    file.write_text(FILE.replace('name = "Анна" }', 'name = "Анна", email = " zakaz@почта.рф" }', 1))
    assert read_file(file).partners[0].contacts[0].email == "zakaz@почта.рф"
