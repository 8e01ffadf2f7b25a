"""What lists find, and that PostgreSQL answers a search from an index, however many requests there are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest

from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings
from postavka.web import personal
from postavka.web.database import Database
from postavka.web.identity.principal import SCOPES, Principal, Role
from services.cabinet.requests import QUERIES, Filter, Requests
from services.cabinet.search import MOST_FOUND, Search
from tests.conftest import NewDatabase

ROWS = 20_000
KNOWN = UUID("3f2a91c0-1234-4000-8000-0000000000aa")
FILL = """
INSERT INTO cabinet.requests (request_id, request, approval, shipping)
SELECT gen_random_uuid(),
    jsonb_build_object('partner_id', 'romashka-it', 'distributor_id', 'dist-north',
        'registration_number', (1000000 + n)::text,
        'submitted_at', to_char(timestamp '2026-01-01' + n * interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
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
        "submitted_at": "2026-03-16T10:00:00Z", "inn": "0411008860", "buyer": "ООО «Ёлочная_игрушка 100%»",
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
    "лукоморье", "лукоморье-софт", "lukomor", "урал", "dist-ural", "3f2a91c0", "3f2a", "3F2A91C0-12", str(KNOWN),
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
        before = _scans(owner)
    found(volume, OPS, search)
    found(volume, LUKOMOR, search)
    with psycopg.connect(volume, autocommit=True) as owner:
        after = _scans(owner)
    assert after["table"] == before["table"], "sequential scans"
    assert after["words"] >= before["words"] + 2


def _scans(owner: psycopg.Connection[tuple[int, int]]) -> dict[str, int]:
    """Sequential scans of the table, and scans of the index of words, so far, of sessions that have ended."""
    row = owner.execute(
        "SELECT pg_stat_get_numscans('cabinet.requests'::regclass), "
        "pg_stat_get_numscans('cabinet.requests_by_words'::regclass)"
    ).fetchone()
    assert row is not None
    return {"table": row[0], "words": row[1]}


def test_what_is_typed_becomes_words():
    assert Search.of("«Лукоморье-Софт» 0077").query == "'лукоморье':* & 'софт':* & (('0077':*) | '0077':* | 'r7700':*)"
    assert Search.of("а").query == "" == Search.of(" \x00 ").query
    assert Search.of("'; DROP TABLE x").query == "'drop':* & 'table':*"
    assert Search.of("3f2a91c0").ids is not None
    assert Search.of("3f2a91c0 ооо").ids is None
    assert Search.of(str(uuid4())).ids is not None
    assert len(Search.of("слово " * 100).things) == 6
    assert MOST_FOUND < ROWS
