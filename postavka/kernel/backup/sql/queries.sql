-- Statements of postavka.kernel.backup, by name: `postavka.kernel.store.queries` loads them.

-- name: schemas
-- Schemas that are ours.
SELECT nspname
FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
ORDER BY nspname;

-- name: group_roles
-- Roles that nobody signs in as: grants and policies name them, and a dump does not make them.
SELECT rolname FROM pg_roles WHERE NOT rolcanlogin AND rolname !~ '^pg_' ORDER BY 1;

-- name: require_nobody_at_work
-- Reads pg stat activity, for `require_nobody_at_work`.
SELECT DISTINCT application_name
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'postavka-%' AND
    application_name <> 'postavka-reference'
ORDER BY 1;

-- name: put_back_read_pg_roles
-- Fill an empty database from such a file.
SELECT FROM pg_roles WHERE rolname = %s;

-- name: put_back_create
-- Fill an empty database from such a file.
CREATE ROLE {} NOLOGIN;

-- name: require_empty_read
-- Reads what `require_empty_read` needs.
SELECT to_regclass(%s);

-- name: require_empty_read_stored_events
-- Reads stored events, for `require_empty_read_stored_events`.
SELECT EXISTS (SELECT FROM {}.stored_events);

-- name: reached
-- The highest offset of each input partition that an event or a dead letter of the stage comes from.
SELECT substring(input from '^(.*)/[^/]*/[^/]*$'), split_part(input, '/', -2)::int, max(split_part(input, '/',
    -1)::bigint)
FROM {}.stored_events
WHERE input IS NOT NULL
GROUP BY 1, 2;

-- name: write_marks_set
-- Sets what `write_marks_set` needs.
SET LOCAL search_path TO {};

-- name: write_marks_insert_notification_tracking
-- Adds notification tracking, for `write_marks_insert_notification_tracking`.
INSERT INTO notification_tracking (application_name, notification_id, position)
VALUES (%s, %s, %s)
ON CONFLICT (application_name)
DO UPDATE SET notification_id = excluded.notification_id, position = excluded.position;

-- name: write_marks_delete_imported_inputs
-- Removes imported inputs, for `write_marks_delete_imported_inputs`.
DELETE FROM imported_inputs;

-- name: write_letters_insert_dead_letters
-- One whose record has become an event since was taken at a later try.
INSERT INTO dead_letters (id, topic, partition, "offset", timestamp_ms, key, value, headers, code, reason, sha256,
    relayed, status) OVERRIDING SYSTEM VALUE
VALUES (%(id)s, %(topic)s, %(partition)s, %(offset)s, %(timestamp_ms)s, %(key)s, %(value)s, %(headers)s, %(code)s,
    %(reason)s, %(sha256)s, true, CASE WHEN EXISTS (SELECT FROM stored_events WHERE input = %(input)s) THEN 'done'
    ELSE 'open' END)
ON CONFLICT DO NOTHING;

-- name: write_letters_read_dead_letters
-- One whose record has become an event since was taken at a later try.
SELECT setval(pg_get_serial_sequence('dead_letters', 'id'), coalesce(max(id), 0) + 1, false) FROM dead_letters;

-- name: find_readers
-- Everybody who keeps marks in this database.
SELECT table_schema, table_name, array_agg(column_name::text)
FROM information_schema.columns
WHERE table_name = ANY(%s)
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: rebuild_topics_update_relay
-- Make what is missing of `topics` and fill the stages' from their stores. A topic that has records is left
-- alone.
UPDATE {}.relay SET position = 0, offsets = '{{}}';

-- name: rebuild_topics_update_dead_letters
-- Make what is missing of `topics` and fill the stages' from their stores. A topic that has records is left
-- alone.
UPDATE {}.dead_letters SET relayed = false;

-- name: publish_set
-- Every event (or those that are copied to this topic) in order of position; notes which offset each position has
-- got.
SET LOCAL search_path TO {};

-- name: publish_read_stored_events
-- Every event (or those that are copied to this topic) in order of position; notes which offset each position has
-- got.
SELECT count(*) FROM stored_events;

-- name: marks
-- Reads what `marks` needs.
SELECT {}, {}, {} FROM {};

-- name: move_marks
-- To where the position that a reader has seen lies now; a reader without positions begins anew.
UPDATE {} SET {} = %s WHERE {} = %s;
