-- Statements of postavka.kernel.outbox, by name: `postavka.kernel.store.queries` loads them.

-- name: lock
-- Takes the lock by which one relay a store publishes; false while another one has it.
SELECT pg_try_advisory_lock(hashtext(%s));

-- name: read_checkpoint
-- Reads the position up to which everything is published, and from which offset each partition must be looked at.
SELECT position, offsets FROM relay;

-- name: write_checkpoint
-- Writes that everything up to a position is published, below these offsets.
UPDATE relay SET position = %s, offsets = %s;

-- name: read_events
-- Reads the next events behind a position, to be published.
SELECT originator_id, originator_version, topic, state, recorded_at, clock, causation, correlation, input, trace,
    notification_id
FROM stored_events
WHERE notification_id > %s
ORDER BY notification_id
LIMIT %s;

-- name: unpublished_dead_letters
-- Reads the oldest dead letters that are not on their topic.
SELECT id, topic, partition, "offset", key, value, headers, code, reason, sha256
FROM dead_letters
WHERE NOT relayed
ORDER BY id
LIMIT 100;

-- name: dead_letters_published
-- Marks dead letters that the broker has.
UPDATE dead_letters SET relayed = true WHERE id = ANY(%s);
