"""What lists find, and that PostgreSQL answers a search from an index, however many requests there are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID, uuid4

import psycopg
import pytest

from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings
from postavka.web import personal
from postavka.web.database import Database
from postavka.web.identity.principal import SCOPES, Principal, Role
from postavka.web.search import MOST_FOUND, Search, parties_named
from services.cabinet.list_order import ListOrder
from services.cabinet.requests import DIRECT, QUERIES, Filter, Requests
from tests.conftest import NewDatabase

ROWS = 20_000
KNOWN = UUID("3f2a91c0-1234-4000-8000-0000000000aa")
"""One of 20,000 random ids begins as this one's first four digits do every fourth time: theirs begin with an f."""
FILL = """
INSERT INTO cabinet.requests (request_id, request, approval, shipping)
SELECT overlay(gen_random_uuid()::text PLACING 'f' FROM 1)::uuid,
    jsonb_build_object('partner_id', 'romashka-it', 'distributor_id', 'dist-north',
        'registration_number', (1000000 + n)::text,
        'submitted_at', to_char(timestamp '2026-01-01' + n * interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'inn', (7700000000 + n * 13)::text, 'buyer', 'ООО «Покупатель номер ' || n || '»'),
    jsonb_build_object('approved_at', 'x', 'partner', jsonb_build_object('name', 'ООО «Ромашка АйТи»'),
        'distributor', jsonb_build_object('name', 'АО «Север»'),
        'product', jsonb_build_object('name', '1С:ИТС на 12 месяцев', 'price', '20160.00')),
    jsonb_build_object('permission_number', '111-222-333-444-555-666-' || lpad(mod(n, 500)::text, 3, '0'))
FROM generate_series(1, %s) n
"""


def principal(role: Role, tenant: str | None = None) -> Principal:
    partner, distributor = (tenant if role is each else None for each in (Role.PARTNER, Role.DISTRIBUTOR))
    return Principal("test", "test", role, partner, distributor, frozenset(SCOPES[role]), "test")


LUKOMOR = principal(Role.PARTNER, "lukomor")
OPS = principal(Role.OPS)


@pytest.fixture(scope="module")
def volume(new_database: NewDatabase, servers: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Many requests of one partner, and one of another."""
    request = {
        "partner_id": "lukomor", "distributor_id": "dist-ural", "registration_number": "8810077",
        "number": "2026-000255",
        "submitted_at": "2026-03-16T10:00:00.000000Z", "inn": "0411008860", "buyer": "ООО «Ёлочная_игрушка 100%»",
    }  # fmt: skip
    approval = {
        "approved_at": "x", "partner": {"name": "ООО «Лукоморье-Софт»"}, "distributor": {"name": "ЗАО «Урал»"},
        "product": {"name": "1С:ИТС", "price": "100.50"},
    }  # fmt: skip
    shipping = {"permission_number": "482-019-337-561-908-274-651", "kit": {"number": "157964077793"}}
    with new_database() as url:
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute(FILL, (ROWS,))
            owner.execute(
                "INSERT INTO cabinet.requests (request_id, request, approval, shipping) VALUES (%s, %s, %s, %s)",
                (KNOWN, *map(json.dumps, (request, approval, shipping))),
            )
            owner.execute("VACUUM ANALYZE cabinet.requests")
        with pytest.MonkeyPatch.context() as keys:
            home = tmp_path_factory.mktemp("home")
            keys.setattr(personal, "_chosen", [Settings(**servers.settings(database_url=url, home=home))])
            yield url


def found(url: str, who: Principal, *searches: str, **wanted: object) -> list[set[UUID]]:
    """What each of these finds, at most a page."""

    async def look() -> list[set[UUID]]:
        database = Database(url, 1)
        await database.open()
        try:
            answers = []
            for search in searches:
                async with database.rows(who) as rows:
                    page = await Requests(rows, who).page(Filter(search=search, **wanted))  # type: ignore[arg-type]
                answers.append({each.request_id for each in page.rows})
            return answers
        finally:
            await database.close()

    return asyncio.run(look())


FINDS = (
    "елочная", "ЁЛОЧНАЯ игрушка", "100%", "елочн игруш", "«Ёлочная_игрушка", "8810077", "810077", "041100", "11008860",
    "482-019-337-561-908-274-651", "482019337561908274651", "482-019", "274651", "77793", "157964077793",
    "лукоморье", "лукоморье-софт", "lukomor", "урал", "dist-ural", "3f2a91c0", "3f2a",
    "№ 2026-000255", "2026-255", "№ 2026 - 255", "3F2A91C0-12", str(KNOWN),
    "лукоморье 7793",
)  # fmt: skip
FINDS_NOTHING = (
    "такого нет",
    "лукоморье нет",
    "ИГРУШКА_100",
    "55577789",
    "3f2a91c1",
    "'; DROP TABLE x; --",
    "е' | 'е",
    "\\",
)


def test_words_numbers_ids_and_names_are_found(volume: str):
    assert dict(zip(FINDS, found(volume, OPS, *FINDS), strict=True)) == {each: {KNOWN} for each in FINDS}


def test_what_is_not_there_is_not_found(volume: str):
    assert dict(zip(FINDS_NOTHING, found(volume, OPS, *FINDS_NOTHING), strict=True)) == {
        each: set() for each in FINDS_NOTHING
    }


def test_a_word_that_very_many_have_shows_the_first_page(volume: str):
    common, with_days = found(volume, OPS, "ромашка"), found(volume, OPS, "р ромашка", "о")
    assert [len(each) for each in (*common, *with_days)] == [50, 50, 50]


def test_a_search_finds_a_tenants_own_alone(volume: str):
    """Also where the index has more than may be fetched, and by an id that is another's."""
    assert found(volume, LUKOMOR, "покупатель", "ооо", "месяцев", "нет") == [set(), {KNOWN}, set(), set()]
    other = principal(Role.PARTNER, "romashka-it")
    assert found(volume, other, "лукоморье", str(KNOWN), "3f2a91c0") == [set(), set(), set()]
    with psycopg.connect(volume) as connection:
        connection.execute("SELECT set_config('app.scope', 'nobody', true), set_config('role', 'postavka_web', true)")
        assert connection.execute(QUERIES.found, Search.of("лукоморье").parameters).fetchone() == ([],)


@pytest.mark.parametrize("search", ["такого нет", "лукоморье", "0077", "482-019-337", "ооо такого", "3f2a91c0"])
def test_no_search_reads_the_whole_table(volume: str, search: str):
    """The plan is that of the function's own statement; what PostgreSQL has counted says that it is the one used."""
    parameters = Search.of(search).parameters
    with psycopg.connect(volume, autocommit=True) as owner:
        body = owner.execute("SELECT prosrc FROM pg_proc WHERE proname = 'requests_found'").fetchone()
        assert body is not None
        statement = body[0]
        for name, parameter in (
            ("wanted", "words"), ("least_id", "least_id"), ("greatest_id", "greatest_id"), ("most", "most"),
        ):  # fmt: skip
            kind = {"words": "text", "most": "int"}.get(parameter, "uuid")
            statement = statement.replace(name, f"%({parameter})s::{kind}")
        owner.execute("SET enable_seqscan = off")
        plan = "\n".join(row[0] for row in owner.execute("EXPLAIN " + statement, parameters))
        assert "Seq Scan" not in plan
        assert "Bitmap Index Scan on requests_by_words" in plan
    for who in (OPS, LUKOMOR):
        assert scans(volume, who, search) == {"table": 0, "words": 1}


def scans(url: str, who: Principal, search: str) -> dict[str, int]:
    """Sequential scans of the table, and scans of the index of words, in the transaction of a page."""

    async def look() -> dict[str, int]:
        database = Database(url, 1)
        await database.open()
        try:
            async with database.rows(who) as rows:
                await Requests(rows, who).page(Filter(search=search))
                counted = await rows.execute(
                    "SELECT pg_stat_get_xact_numscans('cabinet.requests'::regclass), "
                    "pg_stat_get_xact_numscans('cabinet.requests_by_words'::regclass)"
                )
                row = await counted.fetchone()
            assert row is not None
            return {"table": row[0], "words": row[1]}
        finally:
            await database.close()

    return asyncio.run(look())


@pytest.mark.parametrize("order", ListOrder)
def test_every_order_goes_on_without_a_gap(volume: str, order: ListOrder):
    """With one row of another price in a list of equal ones, by pages of 2."""

    async def walk() -> list[UUID]:
        database = Database(volume, 1)
        await database.open()
        seen: list[UUID] = []
        try:
            after = None
            while len(seen) < 10:
                async with database.rows(OPS) as rows:
                    page = await Requests(rows, OPS).page(Filter(order=order), after, 2)
                seen += [each.request_id for each in page.rows]
                after = page.next
            return seen
        finally:
            await database.close()

    seen = asyncio.run(walk())
    assert len(seen) == len(set(seen)) == 10
    assert (KNOWN in seen) == (order in (ListOrder.CHEAPEST, ListOrder.NEWEST))


def test_a_filter_is_counted_and_summed(volume: str):
    async def look() -> list[tuple[int, str]]:
        database = Database(volume, 1)
        await database.open()
        try:
            async with database.rows(OPS) as rows:
                wanted = (Filter(), Filter(search="лукоморье"), Filter(most=Decimal(200)), Filter(distributor=DIRECT))
                found = [(await Requests(rows, OPS).page_and_totals(each))[1] for each in wanted]
            return [(each.count, str(each.amount)) for each in found]
        finally:
            await database.close()

    everything = (ROWS + 1, str(ROWS * 20160 + Decimal("100.50")))
    assert asyncio.run(look()) == [everything, (1, "100.50"), (1, "100.50"), (0, "0")]


def test_a_party_is_meant_by_code_or_name():
    names = {"lukomor": "ООО «Лукоморье-Софт»", "luk": "ООО «Лук»", "yolka": "ЗАО «Ёлка»"}
    assert parties_named(names, "luk") == ["luk"], "a code is meant before a name"
    assert parties_named(names, "елка") == ["yolka"]
    assert parties_named(names, "ооо лукоморье") == ["lukomor"]
    assert parties_named(names, "лук") == ["lukomor", "luk"]
    assert parties_named(names, "  ") == parties_named(names, "нет такого") == []


def test_what_is_typed_becomes_words():
    assert Search.of("«Лукоморье-Софт» 0077").query == "'лукоморье':* & 'софт':* & (('0077':*) | '0077':* | 'r7700':*)"
    assert Search.of("а").query == "" == Search.of(" \x00 ").query
    assert Search.of("'; DROP TABLE x").query == "'drop':* & 'table':*"
    assert Search.of("3f2a91c0").ids is not None
    assert Search.of("3f2a91c0 ооо").ids is None
    assert Search.of(str(uuid4())).ids is not None
    assert len(Search.of("слово " * 100).things) == 6
    assert MOST_FOUND < ROWS
