-- Statements of postavka.kernel.outbox, by name: `postavka.kernel.store.queries` loads them.

-- name: relay_while_locked
-- Reads what `relay_while_locked` needs.
SELECT pg_try_advisory_lock(hashtext(%s));

-- name: read_checkpoint
-- Position up to which everything is published, and from which offset each partition must be looked at.
SELECT position, offsets FROM relay;

-- name: write_checkpoint
-- Remember that everything up to `position` is published, below these offsets.
UPDATE relay SET position = %s, offsets = %s;

-- name: read_events
-- The next events behind a position.
SELECT originator_id, originator_version, topic, state, recorded_at, clock, causation, correlation, input, trace,
    notification_id
FROM stored_events
WHERE notification_id > %s
ORDER BY notification_id
LIMIT %s;

-- name: publish_dead_letters_read_dead_letters
-- Copy new dead letters to their topic: original key, value and headers, and where and why in `dlq_…` headers. At
-- least once: one that is sent again after a crash has the same `dlq_id`. One that is too large for the broker is
SELECT id, topic, partition, "offset", key, value, headers, code, reason, sha256
FROM dead_letters
WHERE NOT relayed
ORDER BY id
LIMIT 100;

-- name: publish_dead_letters_update_dead_letters
-- Copy new dead letters to their topic: original key, value and headers, and where and why in `dlq_…` headers. At
-- least once: one that is sent again after a crash has the same `dlq_id`. One that is too large for the broker is
UPDATE dead_letters SET relayed = true WHERE id = ANY(%s);
