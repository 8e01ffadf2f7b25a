"""New tables take the place of old ones: with all that those have, past writers and readers, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from postavka.kernel.projection.blue_green import StagedTables, generation, swap_lock
from postavka.kernel.projection.copy_format import field, line
from tests.kernel.polling import until

SCHEMA = """
CREATE SCHEMA toys;
CREATE TABLE toys.sales (
    id text NOT NULL, day date, words jsonb DEFAULT '{"a": "%"}', length int GENERATED ALWAYS AS (length(id)) STORED,
    CONSTRAINT sales_pkey PRIMARY KEY (id), CONSTRAINT not_empty CHECK (id <> '')
) WITH (fillfactor = 70);
CREATE INDEX sales_by_day ON toys.sales (day DESC) INCLUDE (length) WHERE words <> '{"{}": "%s"}';
COMMENT ON TABLE toys.sales IS 'What was sold, 100 %';
COMMENT ON COLUMN toys.sales.day IS 'In Moscow';
CREATE TABLE toys.parts (sale text, part int, amount numeric(15, 2), UNIQUE (sale, part) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT once UNIQUE NULLS NOT DISTINCT (amount) INCLUDE (part), EXCLUDE USING btree ((part + 1) WITH =))
    WITH (toast_tuple_target = 4096);
CREATE VIEW toys.sold AS SELECT id, amount FROM toys.sales JOIN toys.parts ON sale = id WHERE words ->> 'a' <> '{}';
CREATE VIEW toys.dear AS SELECT * FROM toys.sold WHERE amount > 100;
COMMENT ON VIEW toys.dear IS 'More than a hundred';
ALTER TABLE toys.sales ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON toys.sales USING (id <> '{none}') WITH CHECK (day > '2026-01-01');
GRANT SELECT ON toys.sales TO PUBLIC;
INSERT INTO toys.sales VALUES ('old', '2026-11-27');
"""
LOOK = (
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'toys'",
    "SELECT viewname, definition FROM pg_views WHERE schemaname = 'toys'",
    "SELECT p::text FROM pg_policies p WHERE schemaname = 'toys'",
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'toys'::regnamespace",
    "SELECT relname, reloptions, relrowsecurity, relacl::text, obj_description(oid, 'pg_class') FROM pg_class "
    "WHERE relnamespace = 'toys'::regnamespace",
    "SELECT table_name, column_name, data_type, is_nullable, column_default, generation_expression, "
    "col_description(format('toys.%I', table_name)::regclass, ordinal_position) FROM information_schema.columns "
    "WHERE table_schema = 'toys'",
)


@pytest.fixture
def open_one(database: str) -> Iterator[Any]:
    """Opens connections to the toys, in autocommit."""
    opened: list[psycopg.Connection[Any]] = []

    def open_one() -> psycopg.Connection[Any]:
        opened.append(psycopg.connect(database, autocommit=True, options="-c search_path=toys,public"))
        return opened[-1]

    open_one().execute(SCHEMA.encode())
    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
def staging(open_one: Any) -> StagedTables:
    made = StagedTables(open_one(), "toys", "toys_next", ["sales", "parts"])
    made.make()
    return made


def ids(connection: psycopg.Connection[Any]) -> list[str]:
    return [row[0] for row in connection.execute("SELECT id FROM sales ORDER BY 1")]


def test_the_new_tables_have_all_that_the_old_ones_had(open_one: Any, staging: StagedTables):
    connection = open_one()
    before = [sorted(map(str, connection.execute(look))) for look in LOOK]
    was = generation(connection, "sales")
    connection.execute("INSERT INTO toys_next.sales (id, day) VALUES ('new', '2026-11-28')")
    connection.execute("INSERT INTO toys_next.parts VALUES ('new', 1, 120)")
    staging.finish()
    assert ids(connection) == ["old"]
    staging.swap(lambda: None)
    assert [sorted(map(str, connection.execute(look))) for look in LOOK] == before
    assert connection.execute("SELECT id, amount::int FROM dear").fetchall() == [("new", 120)]
    assert generation(connection, "sales") != was
    assert connection.execute("SELECT to_regnamespace('toys_next')").fetchone() == (None,)


MORE = ("(length)", "(length, day)", "(upper(id))", "(day, id)")


def test_indexes_are_made_over_two_connections(open_one: Any):
    connection, opened = open_one(), []

    def another() -> psycopg.Connection[Any]:
        opened.append(open_one())
        return opened[-1]

    for columns in MORE:
        connection.execute(f"CREATE INDEX ON sales {columns}")
    before = sorted(map(str, connection.execute(LOOK[0])))
    staging = StagedTables(open_one(), "toys", "toys_next", ["sales", "parts"], another)
    staging.make()
    staging.finish()
    staging.swap(lambda: None)
    assert sorted(map(str, connection.execute(LOOK[0]))) == before
    assert [each.closed for each in opened] == [True, True]  # one for each table


@pytest.mark.parametrize("place", range(len(MORE)))
def test_an_index_that_fails_is_told_of_whoever_makes_it(open_one: Any, place: int):
    connection = open_one()
    for number, columns in enumerate(MORE):
        if number == place:
            connection.execute("CREATE UNIQUE INDEX ON sales (day)")
        connection.execute(f"CREATE INDEX ON sales {columns}")
    staging = StagedTables(open_one(), "toys", "toys_next", ["sales", "parts"], open_one)
    staging.make()
    connection.execute("INSERT INTO toys_next.sales (id, day) SELECT id, '2026-11-28' FROM generate_series(1, 2) id")
    with pytest.raises(psycopg.errors.UniqueViolation):
        staging.finish()
    staging.drop()
    assert ids(connection) == ["old"]


def test_what_went_wrong_leaves_the_old_tables(open_one: Any, staging: StagedTables):
    connection = open_one()
    staging.finish()
    with pytest.raises(ZeroDivisionError):
        staging.swap(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    assert ids(connection) == ["old"]
    StagedTables(connection, "toys", "toys_next", ["sales", "parts"]).make()  # after an interrupted one
    assert connection.execute("SELECT count(*) FROM toys_next.sales").fetchone() == (0,)


def test_rows_that_several_partitions_know_something_of_become_one(open_one: Any, staging: StagedTables):
    connection = open_one()
    connection.execute(
        "INSERT INTO toys_next.sales (id, day, words) VALUES ('one', NULL, '{}'), ('one', '2026-11-28', NULL), "
        "('two', NULL, NULL)"
    )
    connection.execute("INSERT INTO toys_next.parts VALUES ('one', 1, NULL), ('one', 1, 5), ('one', 2, 7)")
    staging.put_together({"sales": ("id",), "parts": ("sale", "part")})
    rows = connection.execute("SELECT id, day::text, words::text, length FROM toys_next.sales ORDER BY 1").fetchall()
    assert rows == [("one", "2026-11-28", "{}", 3), ("two", None, None, 3)]
    assert connection.execute("SELECT part, amount::int FROM toys_next.parts ORDER BY 1").fetchall() == [(1, 5), (2, 7)]
    staging.finish()


def test_a_writer_is_waited_for_and_then_finds_others_in_place(open_one: Any, staging: StagedTables):
    staging.finish()
    writer, watcher, was = open_one(), open_one(), generation(open_one(), "sales")
    order: list[str] = []
    with writer.transaction():
        swap_lock(writer, "toys")
        swapping = threading.Thread(target=lambda: staging.swap(lambda: order.append("swapped")))
        swapping.start()
        waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        until(lambda: watcher.execute(waits).fetchone() == (1,), "the swap waits")
        writer.execute("INSERT INTO sales (id) VALUES ('last')")
        order.append("written")
    swapping.join(60)
    assert order == ["written", "swapped"]
    with writer.transaction():
        swap_lock(writer, "toys")
        assert generation(writer, "sales") != was


def test_readers_of_several_tables_are_let_pass(open_one: Any, staging: StagedTables):
    """One has read a table and wants another: locked in the other order, one of the two would be ended."""
    staging.finish()
    reader = open_one()
    reader.execute("SET deadlock_timeout = '20s'")
    with reader.transaction():
        reader.execute("SELECT count(*) FROM parts")
        swapping = threading.Thread(target=lambda: staging.swap(lambda: None))
        swapping.start()
        waits = "SELECT count(*) FROM pg_locks WHERE relation = 'toys.parts'::regclass AND NOT granted"
        watcher = open_one()
        until(lambda: watcher.execute(waits).fetchone() == (1,), "the swap waits")
        assert ids(reader) == ["old"]
    swapping.join(60)
    assert not swapping.is_alive()
    assert ids(reader) == []


def test_a_line_is_read_back_as_it_was(open_one: Any):
    connection = open_one()
    connection.execute("CREATE TEMP TABLE t (a text, b jsonb, c boolean, d numeric, e date, f int)")
    text = "\\N\ta\\\n\r«я»\\."
    rows = [(text, {"k": [text, None, 1.5]}, True, "12.50", "2026-11-27", None), ("", [], False, None, None, 7)]
    with connection.cursor().copy("COPY t FROM STDIN") as copy:
        for row in rows:
            copy.write(line(map(field, row)))
    found = connection.execute("SELECT a, b, c, d::text, e::text, f FROM t ORDER BY f NULLS FIRST").fetchall()
    assert found == rows
