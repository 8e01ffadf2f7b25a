-- Statements of postavka.kernel.backup, by name: `postavka.kernel.store.queries` loads them.

-- name: schemas
-- Reads the names of our schemas, which a copy holds.
SELECT nspname
FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
ORDER BY nspname;

-- name: group_roles
-- Reads the roles that nobody signs in as: grants and policies name them, and a dump does not make them.
SELECT rolname FROM pg_roles WHERE NOT rolcanlogin AND rolname !~ '^pg_' ORDER BY 1;

-- name: services_at_work
-- Reads which of our services are connected, since a restore needs them all to stand still.
SELECT DISTINCT application_name
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'postavka-%' AND
    application_name <> 'postavka-reference'
ORDER BY 1;

-- name: role_there
-- Looks whether a role is there, for a restore.
SELECT FROM pg_roles WHERE rolname = %s;

-- name: make_role
-- Makes a role that nobody signs in as, for a restore.
CREATE ROLE {} NOLOGIN;

-- name: table_there
-- Looks whether a table is there, for a restore.
SELECT to_regclass(%s);

-- name: has_events
-- Looks whether a store has events, since only an empty one is filled.
SELECT EXISTS (SELECT FROM {}.stored_events);

-- name: reached
-- Reads the highest offset of each input partition that an event or a dead letter of the stage comes from.
SELECT substring(input from '^(.*)/[^/]*/[^/]*$'), split_part(input, '/', -2)::int, max(split_part(input, '/',
    -1)::bigint)
FROM {}.stored_events
WHERE input IS NOT NULL
GROUP BY 1, 2;

-- name: use_schema
-- Looks for tables in a stage's schema.
SET LOCAL search_path TO {};

-- name: write_checkpoint
-- Writes the checkpoint of an input partition, for a store made from topics.
INSERT INTO notification_tracking (application_name, notification_id, position)
VALUES (%s, %s, %s)
ON CONFLICT (application_name)
DO UPDATE SET notification_id = excluded.notification_id, position = excluded.position;

-- name: forget_imported_inputs
-- Removes the inputs that the checkpoints now stand behind.
DELETE FROM imported_inputs;

-- name: write_dead_letter
-- Writes a dead letter back under its number; one that is there stays.
INSERT INTO dead_letters (id, topic, partition, "offset", timestamp_ms, key, value, headers, code, reason, sha256,
    relayed, status) OVERRIDING SYSTEM VALUE
VALUES (%(id)s, %(topic)s, %(partition)s, %(offset)s, %(timestamp_ms)s, %(key)s, %(value)s, %(headers)s, %(code)s,
    %(reason)s, %(sha256)s, true, CASE WHEN EXISTS (SELECT FROM stored_events WHERE input = %(input)s) THEN 'done'
    ELSE 'open' END)
ON CONFLICT DO NOTHING;

-- name: number_dead_letters
-- Lets numbers of dead letters go on behind the highest.
SELECT setval(pg_get_serial_sequence('dead_letters', 'id'), coalesce(max(id), 0) + 1, false) FROM dead_letters;

-- name: find_readers
-- Reads the tables of everybody who keeps checkpoints in this database, with their columns.
SELECT table_schema, table_name, array_agg(column_name::text)
FROM information_schema.columns
WHERE table_name = ANY(%s)
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: publish_events_again
-- Takes the relay of a store back to its first event.
UPDATE {}.relay SET position = 0, offsets = '{{}}';

-- name: publish_dead_letters_again
-- Marks all dead letters as not published.
UPDATE {}.dead_letters SET relayed = false;

-- name: count_events
-- Counts a store's events, for the progress shown.
SELECT count(*) FROM stored_events;

-- name: checkpoints
-- Reads a reader's checkpoints, whatever their table and columns are called.
SELECT {}, {}, {} FROM {};

-- name: move_checkpoint
-- Writes the offset of one checkpoint.
UPDATE {} SET {} = %s WHERE {} = %s;
