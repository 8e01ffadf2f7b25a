"""Row-level security: what PostgreSQL itself shows a tenant, whatever the query says. Also after a rebuild."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL

from postavka.kernel.projection.blue_green import StagedTables
from postavka.web.database import WEB_ROLE
from tests.web.conftest import Site
from tests.web.stories import Story

TABLES = ("cabinet.requests", "feed.events", "accounts.tokens")
SECRET_TABLES = ("accounts.users", "accounts.sessions", "accounts.devices", "accounts.answers", "reference.entries")


@pytest.fixture(scope="module")
def two(site: Site) -> tuple[Story, Story]:
    """A request of each of two partners, with two distributors; and a token of each."""
    mine = Story("lukomor", "dist-north").submitted().approved()
    theirs = Story("romashka-it", "dist-ural").submitted().approved()
    site.write(mine, theirs, Story("ip-berezin", "dist-north").submitted())
    for tenant in ("lukomor", "romashka-it", "dist-north"):
        site.token(tenant)
    return mine, theirs


@pytest.fixture
def tenant(web_database: str) -> Iterator[Any]:
    """A connection as the web application opens its transactions; `tenant(scope, partner, distributor)` begins one."""
    with psycopg.connect(web_database) as connection:

        def begin(scope: str, partner: str = "", distributor: str = "") -> psycopg.Connection[Any]:
            connection.rollback()
            connection.execute(
                "SELECT set_config('app.scope', %s, true), set_config('app.partner', %s, true), "
                "set_config('app.distributor', %s, true), set_config('role', %s, true)",
                (scope, partner, distributor, WEB_ROLE),
            )
            return connection

        yield begin


def seen(connection: psycopg.Connection[Any], table: str) -> set[tuple[str | None, str | None]]:
    query = SQL("SELECT partner_id, distributor_id FROM {}").format(SQL(table))  # type: ignore[arg-type]
    return set(connection.execute(query).fetchall())


def test_a_partner_sees_its_own_rows_whatever_it_asks_for(two: tuple[Story, Story], tenant: Any):
    connection = tenant("tenant", partner="lukomor")
    assert {partner for partner, _ in seen(connection, "cabinet.requests")} == {"lukomor"}
    assert {partner for partner, _ in seen(connection, "accounts.tokens")} == {"lukomor"}
    found = connection.execute("SELECT 1 FROM cabinet.requests WHERE request_id = %s", (two[1].request_id,))
    assert found.fetchone() is None
    assert connection.execute("SELECT count(*) FROM cabinet.requests WHERE true OR partner_id <> ''").fetchone() == (
        connection.execute("SELECT count(*) FROM cabinet.requests WHERE partner_id = 'lukomor'").fetchone()
    )


def test_a_distributor_sees_approved_requests_that_name_it(two: tuple[Story, Story], tenant: Any):
    connection = tenant("tenant", distributor="dist-north")
    rows = connection.execute("SELECT distributor_id, approved FROM cabinet.requests").fetchall()
    assert set(rows) == {("dist-north", True)}


@pytest.mark.parametrize("scope", ["nobody", "tenant", "", "ALL", "all ", "everything"])
@pytest.mark.parametrize("table", TABLES)
def test_without_a_tenant_nothing_is_seen(two: tuple[Story, Story], tenant: Any, scope: str, table: str):
    assert seen(tenant(scope), table) == set()


def test_operations_and_auditors_see_all(two: tuple[Story, Story], tenant: Any):
    assert {"lukomor", "romashka-it", "ip-berezin"} <= {
        partner for partner, _ in seen(tenant("all"), "cabinet.requests")
    }


@pytest.mark.parametrize("table", SECRET_TABLES)
def test_the_role_can_not_read_accounts(tenant: Any, table: str):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        tenant("all").execute(SQL("SELECT 1 FROM {}").format(SQL(table)))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cabinet.requests SET request = NULL",
        "DELETE FROM cabinet.requests",
        "INSERT INTO cabinet.requests (request_id) VALUES (gen_random_uuid())",
        "DELETE FROM accounts.tokens",
        "UPDATE accounts.tokens SET expires_at = now() + interval '10 years'",
        "TRUNCATE cabinet.requests",
    ],
)
def test_the_role_can_not_write_what_stages_decide(tenant: Any, statement: str):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        tenant("all").execute(statement)


def test_a_token_can_not_be_made_for_another_tenant(tenant: Any):
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        tenant("tenant", partner="lukomor").execute(
            "INSERT INTO accounts.tokens (secret_sha256, name, role, partner_id, scopes, hint, created_by, expires_at) "
            "VALUES ('\\x00', 'x', 'partner', 'romashka-it', '{read}', 'abcd', 'x', now() + interval '1 day')"
        )


def test_a_tenants_settings_end_with_its_transaction(tenant: Any):
    connection = tenant("tenant", partner="lukomor")
    connection.commit()
    found = connection.execute("SELECT current_setting('app.partner', true), current_user").fetchone()
    assert found == ("", connection.info.user)


@pytest.mark.parametrize("table", TABLES)
def test_the_policies_hold_for_the_owner_too(site: Site, table: str):
    """FORCE: a login that owns the tables, and is no superuser, is held to a tenant once it names one."""
    forced = site.sql("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", table)
    assert forced == [(True, True)]


def test_every_table_with_a_tenant_is_protected(site: Site):
    naked = site.sql(
        "SELECT DISTINCT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relkind = 'r' AND a.attname IN ('partner_id', 'distributor_id') AND NOT c.relforcerowsecurity "
        "AND has_table_privilege(%s, c.oid, 'SELECT')",
        WEB_ROLE,
    )
    assert naked == []


def test_the_tables_of_a_rebuild_are_protected_and_indexed_before_they_serve(site: Site, two: tuple[Story, Story]):
    with psycopg.connect(site.database, options="-c search_path=cabinet,public", autocommit=True) as connection:
        staging = StagedTables(connection, "cabinet", "cabinet_next", ["requests"])
        staging.make()
        try:
            staging.finish()
            policies = (
                "SELECT polname, polcmd, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid), "
                "polroles::regrole[]::text FROM pg_policy WHERE polrelid = %s::regclass ORDER BY 1"
            )
            tables = ("cabinet.requests", "cabinet_next.requests")
            old, new = (connection.execute(policies, (name,)).fetchall() for name in tables)
            assert old == new
            assert len(new) == 2
            indexes = "SELECT replace(indexdef, schemaname || '.', '') FROM pg_indexes WHERE schemaname = %s ORDER BY 1"
            old, new = (
                [each for (each,) in connection.execute(indexes, (schema,)).fetchall() if "requests" in each]
                for schema in ("cabinet", "cabinet_next")
            )
            assert old == new
            rights = (
                "SELECT array(SELECT a::text FROM unnest(relacl) AS a ORDER BY 1), relrowsecurity, relforcerowsecurity "
                "FROM pg_class WHERE oid = %s::regclass"
            )
            old_rights, new_rights = (connection.execute(rights, (name,)).fetchone() for name in tables)
            assert old_rights == new_rights
        finally:
            staging.drop()


def test_a_login_without_the_right_to_make_roles_is_held_as_well(site: Site, two: tuple[Story, Story]):
    """As the owner of the tables, not as `postavka_web`: the same policies, by FORCE."""
    with psycopg.connect(site.database, autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS plain_owner")
        admin.execute("CREATE ROLE plain_owner NOLOGIN")
        admin.execute("GRANT ALL ON SCHEMA accounts, cabinet TO plain_owner")
        admin.execute("CREATE TABLE cabinet.probe (partner_id text, distributor_id text)")
        admin.execute("INSERT INTO cabinet.probe VALUES ('lukomor', NULL), ('romashka-it', 'dist-north')")
        admin.execute("ALTER TABLE cabinet.probe OWNER TO plain_owner")
        admin.execute("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA accounts TO plain_owner")
    try:
        with psycopg.connect(site.database) as connection:
            connection.execute("SET ROLE plain_owner")
            connection.execute("SELECT accounts.protect('cabinet.probe', 'partner_id', 'distributor_id', 'true', '')")
            assert len(seen(connection, "cabinet.probe")) == 2, "a service's own work"
            connection.execute(
                "SELECT set_config('app.scope', 'tenant', true), set_config('app.partner', 'lukomor', true)"
            )
            assert seen(connection, "cabinet.probe") == {("lukomor", None)}
            connection.rollback()
    finally:
        with psycopg.connect(site.database, autocommit=True) as admin:
            admin.execute("DROP TABLE cabinet.probe")
            admin.execute("DROP OWNED BY plain_owner")
            admin.execute("DROP ROLE plain_owner")
