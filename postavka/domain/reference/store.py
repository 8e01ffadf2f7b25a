"""Reference data in PostgreSQL, in versions: what is current, what was at any version, and loading a new one.

Partners, distributors, base deliveries and products are few and are read as a whole (`Snapshot`). Registrations can be
millions and are looked up by number. Nothing is ever overwritten: a decision names the version it was made on.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, LiteralString, TypeVar

import orjson
import psycopg
from psycopg.sql import Identifier

from events.reference import BaseDelivery, Contact, Contract, Distributor, Partner, PowerOfAttorney, Product
from postavka.domain.calendar import today
from postavka.domain.reference.file import ReferenceFile
from postavka.domain.vat import VatRate, rate_on
from postavka.kernel.store.migration import MigrationSet, require
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import READ_ONLY, open_session

QUERIES = load_queries("postavka.domain.reference")

SCHEMA = "reference"
MIGRATIONS = MigrationSet("services.reference", "postavka.domain.reference")
CURRENT_FOR_SECONDS = 1.0
"""How long `current` answers from memory before it looks at the version again: a new version is seen within this."""

KINDS = ("partner", "distributor", "base_delivery", "product", "power_of_attorney", "registration", "contract")
NOT_THERE = (psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction)
"""Nothing has ever been loaded: the schema is made by the first load."""

_T = TypeVar("_T")
_Found = tuple[str, str | None, date, date]


class UnknownVersion(LookupError):
    """No such version of the reference data has been loaded."""


@dataclass(frozen=True, slots=True)
class PartnerEntry:
    """A partner and its contact persons by id (L3, L5)."""

    partner: Partner
    contacts: Mapping[str, Contact]


@dataclass(frozen=True, slots=True)
class ProductEntry:
    """A product and the ids of the base deliveries it can be bought for (L7, L9)."""

    product: Product
    """With the rate of VAT of the day it was read on."""
    fits: frozenset[str]
    vat_rate: VatRate

    def sold_on(self, day: date) -> Product:
        """The product with the rate of VAT of this day (Moscow)."""
        rate = rate_on(self.vat_rate, day)
        return self.product if rate == self.product.vat_rate else self.product.model_copy(update={"vat_rate": rate})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything but the registrations, by id, as of a version. Version 0 is empty: nothing has been loaded."""

    version: int
    partners: Mapping[str, PartnerEntry]
    distributors: Mapping[str, Distributor]
    base_deliveries: Mapping[str, BaseDelivery]
    products: Mapping[str, ProductEntry]
    distributor_contacts: Mapping[str, tuple[Contact, ...]] = field(default_factory=dict)
    """Whom to write to at each distributor."""
    powers_of_attorney: Mapping[str, tuple[PowerOfAttorney, ...]] = field(default_factory=dict)
    """By the INN of whoever may sign."""

    @property
    def partner_names(self) -> dict[str, str]:
        """The partners' names by id."""
        return {code: entry.partner.name for code, entry in self.partners.items()}

    @property
    def distributor_names(self) -> dict[str, str]:
        """The distributors' names by id."""
        return {code: each.name for code, each in self.distributors.items()}

    def power_of_attorney(self, principal_inn: str, agent_inn: str, day: date) -> PowerOfAttorney | None:
        """The power of attorney by which `agent_inn` signs for `principal_inn` on this day (Moscow); of several the
        first by number."""
        fitting = (
            each
            for each in self.powers_of_attorney.get(agent_inn, ())
            if each.principal_inn == principal_inn and each.is_in_force(day)
        )
        return min(fitting, key=lambda each: each.number, default=None)


@dataclass(frozen=True, slots=True)
class Registration:
    """A known registration number and the contract that is valid today in Moscow or was last valid, if any (L19)."""

    number: str
    contract: Contract | None


@dataclass(frozen=True, slots=True)
class Changes:
    """The numbers of entries of one kind that a load added, changed and removed."""

    added: int = 0
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The version that holds the file's content, whether this load made it, and what changed by kind (`KINDS`)."""

    version: int
    created: bool
    changes: Mapping[str, Changes]


@dataclass(frozen=True, slots=True)
class _Cached:
    state: str
    snapshot: Snapshot
    looked_at: float


_cache: dict[str, _Cached] = {}
_cache_lock = threading.Lock()
_local = threading.local()


def current(conninfo: str) -> Snapshot:
    """The newest version of the reference data; at most `CURRENT_FOR_SECONDS` behind the database.

    Raises `psycopg.OperationalError` when the database can't be reached: an old snapshot is not passed off as new.
    """
    with _cache_lock:
        cached = _cache.get(conninfo)
        if cached is not None and time.monotonic() - cached.looked_at < CURRENT_FOR_SECONDS:
            return cached.snapshot
        looked_at = time.monotonic()
        version, state = _reading(conninfo, _state, (0, ""))
        if cached is None or (cached.snapshot.version, cached.state) != (version, state):
            found = snapshot(conninfo, version)
        else:
            found = cached.snapshot
        _cache[conninfo] = _Cached(state, found, looked_at)
        return found


def snapshot(conninfo: str, version: int | None = None) -> Snapshot:
    """The reference data as of a version (None: the newest, 0: before the first).

    Raises `UnknownVersion`, and `psycopg.OperationalError` when the database can't be reached.
    """

    def read(connection: psycopg.Connection) -> tuple[int, list[tuple[str, str, Any]]]:
        newest, _ = _newest(connection)
        as_of = newest if version is None else version
        if not 0 <= as_of <= newest:
            raise UnknownVersion(f"there is no version {as_of} of the reference data; the newest is {newest}")
        return as_of, connection.execute(QUERIES.entries_as_of, (as_of,)).fetchall()

    nothing: tuple[int, list[tuple[str, str, Any]]] = (0, [])
    as_of, rows = _reading(conninfo, read, nothing)
    if version not in (None, as_of):
        raise UnknownVersion(f"there is no version {version} of the reference data; nothing has been loaded")
    return _snapshot_of(as_of, rows)


def distributor_ids(conninfo: str) -> list[str]:
    """Ids of all distributors (L6), sorted; [] when nothing has been loaded or the schema does not exist yet."""
    return sorted(current(conninfo).distributors)


def find_registrations(conninfo: str, numbers: Sequence[str]) -> dict[str, Registration]:
    """The registrations with these numbers; unknown ones are left out. One query for all of them (L19).

    A contract that begins later than today is not given. Raises `psycopg.OperationalError` when the database can't be
    reached, also after connecting anew.
    """
    # PostgreSQL keeps no NUL in text; such a number, from whatever sender, is simply unknown.
    wanted = [number for number in numbers if "\x00" not in number]
    if not wanted:
        return {}

    def read(connection: psycopg.Connection) -> list[_Found]:
        return connection.execute(QUERIES.find_registrations, (wanted, today())).fetchall()

    nothing: list[_Found] = []
    return {
        number: Registration(
            number,
            None if contract is None else Contract(number=contract, valid_from=valid_from, valid_until=valid_until),
        )
        for number, contract, valid_from, valid_until in _reading(conninfo, read, nothing)
    }


def load(conninfo: str, file: ReferenceFile, loaded_by: str) -> LoadReport:
    """Make the file's content the newest version, in one transaction.

    The file is complete: what is not in it is removed. Content equal to the newest version makes no new one.
    """
    require(conninfo, SCHEMA, MIGRATIONS)
    entries = _entries_of(file)
    sha256 = _digest(entries, file)
    with psycopg.connect(conninfo, application_name="postavka-reference") as connection:
        connection.execute(QUERIES.use_schema)
        connection.execute(QUERIES.lock_versions)  # one load at a time; reading goes on
        version, newest_sha256 = _newest(connection)
        if newest_sha256 == sha256:
            return LoadReport(version, False, MappingProxyType({kind: Changes() for kind in KINDS}))
        version += 1
        connection.execute(QUERIES.add_version, (version, loaded_by, sha256))
        _stage(
            connection,
            "COPY staged_entries (kind, key, body) FROM STDIN",
            ((kind, key, orjson.dumps(body).decode()) for (kind, key), body in entries.items()),
        )
        _stage(
            connection,
            "COPY staged_registrations (number) FROM STDIN",
            ((row.number,) for row in file.registrations),
        )
        _stage(
            connection,
            "COPY staged_contracts (registration, number, valid_from, valid_until) FROM STDIN",
            (
                (row.number, each.number, each.valid_from, each.valid_until)
                for row in file.registrations
                for each in row.contracts
            ),
        )
        changes = {kind: Changes() for kind in KINDS}
        for function in ("replace_entries", "replace_registrations", "replace_contracts"):
            found = connection.execute(QUERIES.replace_kind.format(Identifier(function)), (version,))
            changes |= {kind: Changes(added, changed, removed) for kind, added, changed, removed in found}
        connection.execute(QUERIES.clear_staged)
    with _cache_lock:
        _cache.pop(conninfo, None)
    return LoadReport(version, True, MappingProxyType(changes))


def _stage(connection: psycopg.Connection, statement: LiteralString, rows: Iterable[Sequence[object]]) -> None:
    with connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _entries_of(file: ReferenceFile) -> dict[tuple[str, str], dict[str, Any]]:
    """The bodies of the file's entries by kind and key, as they are stored."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    found |= {("partner", row.id): row.model_dump(mode="json") for row in file.partners}
    found |= {
        # Without contacts it is what it was before there were any: the same file makes no new version.
        ("distributor", row.id): row.model_dump(mode="json", exclude=None if row.contacts else {"contacts"})
        for row in file.distributors
    }
    found |= {("base_delivery", row.id): row.model_dump(mode="json") for row in file.base_deliveries}
    found |= {("power_of_attorney", row.number): row.model_dump(mode="json") for row in file.powers_of_attorney}
    found |= {("product", row.id): row.model_dump(mode="json") | {"fits": sorted(row.fits)} for row in file.products}
    return found


def _digest(entries: Mapping[tuple[str, str], Mapping[str, Any]], file: ReferenceFile) -> str:
    """SHA-256 of the content, whatever the order of entries in the file."""
    digest = hashlib.sha256()
    for key in sorted(entries):
        digest.update(orjson.dumps([*key, entries[key]], option=orjson.OPT_SORT_KEYS) + b"\n")
    for row in sorted(file.registrations, key=lambda row: row.number):
        contracts = sorted((each.number, each.valid_from, each.valid_until) for each in row.contracts)
        digest.update(orjson.dumps([row.number, contracts]) + b"\n")
    return digest.hexdigest()


def _snapshot_of(version: int, rows: Iterable[tuple[str, str, Any]]) -> Snapshot:
    partners: dict[str, PartnerEntry] = {}
    distributors: dict[str, Distributor] = {}
    people: dict[str, tuple[Contact, ...]] = {}
    base_deliveries: dict[str, BaseDelivery] = {}
    products: dict[str, ProductEntry] = {}
    powers: dict[str, tuple[PowerOfAttorney, ...]] = {}
    for kind, key, body in rows:
        match kind:
            case "partner":
                contacts = [Contact.model_validate(each) for each in body.pop("contacts")]
                by_id = MappingProxyType({each.id: each for each in contacts})
                partners[key] = PartnerEntry(Partner.model_validate(body), by_id)
            case "distributor":
                people[key] = tuple(Contact.model_validate(each) for each in body.pop("contacts", ()))
                distributors[key] = Distributor.model_validate(body)
            case "base_delivery":
                base_deliveries[key] = BaseDelivery.model_validate(body)
            case "power_of_attorney":
                power = PowerOfAttorney.model_validate(body)
                powers[power.agent_inn] = (*powers.get(power.agent_inn, ()), power)
            case "product":
                fits, given = frozenset(body.pop("fits")), body.pop("vat_rate")
                rate: VatRate = "standard" if given == "standard" else Decimal(given)
                product = Product.model_validate(body | {"vat_rate": rate_on(rate, today())})
                products[key] = ProductEntry(product, fits, rate)
    return Snapshot(
        version,
        MappingProxyType(partners),
        MappingProxyType(distributors),
        MappingProxyType(base_deliveries),
        MappingProxyType(products),
        MappingProxyType(people),
        MappingProxyType(powers),
    )


def _newest(connection: psycopg.Connection) -> tuple[int, str]:
    """The newest version and the digest of its content; 0 before the first load."""
    row = connection.execute(QUERIES.newest).fetchone()
    return (row[0], row[1]) if row else (0, "")


def _state(connection: psycopg.Connection) -> tuple[int, str]:
    """The newest version, and a mark that changes whenever its row is written: also when a person was taken out."""
    row = connection.execute(QUERIES.state).fetchone()
    return (row[0], row[1]) if row else (0, "")


def _reading(conninfo: str, read: Callable[[psycopg.Connection], _T], nothing: _T) -> _T:
    """What `read` finds over this thread's own connection; `nothing` before the first load ever.

    A connection that broke (PostgreSQL was started anew) is replaced once; a second failure is the caller's.
    """
    try:
        try:
            return read(_connection(conninfo))
        except psycopg.OperationalError:
            _forget(conninfo)
            return read(_connection(conninfo))
    except NOT_THERE:
        return nothing
    except psycopg.OperationalError:
        _forget(conninfo)
        raise


def _connections() -> dict[tuple[str, int], psycopg.Connection]:
    """The connections of this thread. The process id is part of the key: a connection does not survive a fork."""
    found: dict[tuple[str, int], psycopg.Connection] | None = getattr(_local, "connections", None)
    if found is None:
        found = _local.connections = {}
    return found


def _connection(conninfo: str) -> psycopg.Connection:
    connections, key = _connections(), (conninfo, os.getpid())
    connection = connections.get(key)
    if connection is None or connection.closed:
        connection = open_session(conninfo, READ_ONLY, application_name="postavka-reference")
        connections[key] = connection
    return connection


def _forget(conninfo: str) -> None:
    connection = _connections().pop((conninfo, os.getpid()), None)
    if connection is not None:
        connection.close()
