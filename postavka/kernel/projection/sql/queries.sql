-- Statements of postavka.kernel.projection, by name: `postavka.kernel.store.queries` loads them. Tables without a schema
-- lie in the read model's own.

-- name: marks
-- Reads how far the named input partitions are folded in.
SELECT name, "offset", position FROM marks WHERE name = ANY(%b);

-- name: move_marks
-- Moves marks from where they are thought to be; gives a row for each that was there.
INSERT INTO marks AS m (name, "offset", position)
SELECT name, reached, position
FROM unnest(%b::text[], %b::bigint[], %b::bigint[], %b::bigint[]) AS u(name, before, reached, position)
ON CONFLICT (name) DO UPDATE SET "offset" = excluded."offset", position = excluded.position
WHERE m."offset" = ANY (
    SELECT before FROM unnest(%b::text[], %b::bigint[]) AS w(name, before) WHERE w.name = m.name
)
RETURNING 1;

-- name: keep_unread
-- Adds a record that could not be read, once.
INSERT INTO unread VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING;

-- name: lock_out_swaps
-- Holds off swaps of tables until the transaction ends.
SELECT pg_advisory_xact_lock_shared(hashtext(%s));

-- name: generation
-- Reads a number that changes with every swap of a table; 0 when the table is not there.
SELECT coalesce(to_regclass(%s)::oid::bigint, 0);
