-- Statements of postavka.kernel.store, by name: `postavka.kernel.store.queries` loads them.

-- name: dead_letters_taken
-- Marks dead letters whose record was taken at a retry.
UPDATE dead_letters SET status = 'done', tries = tries + 1 WHERE id = ANY(%s);

-- name: add_checkpoints
-- Adds the checkpoint, at -1, of every named input partition that has none.
INSERT INTO notification_tracking (application_name, notification_id)
SELECT name, -1
FROM unnest(%s::text[]) AS name
ON CONFLICT DO NOTHING;

-- name: checkpoints
-- Reads the checkpoints of the named input partitions.
SELECT application_name, notification_id, position FROM notification_tracking WHERE application_name = ANY(%s);

-- name: find_claims
-- Reads who has claimed these values; a free one is left out.
SELECT value, originator_id FROM claims WHERE kind = %s AND value = ANY(%s);

-- name: highest_claim
-- Reads the highest value claimed in `low <= value < high`, in the order of the database; NULL if there is none.
SELECT max(value) AS highest FROM claims WHERE kind = %s AND value >= %s AND value < %s;

-- name: head
-- Reads the last position given out; 0 for an empty store.
SELECT position FROM head;

-- name: refuse_again
-- Writes the new reason of a dead letter whose retry came to nothing. One that another worker has taken meanwhile, or
-- somebody has settled, stays so.
UPDATE dead_letters SET status = 'open', tries = tries + 1, code = %s, reason = %s WHERE id = %s AND status IN
('open', 'retry');

-- name: append
-- Appends events with what they claim, in the one function that the store has for it; gives their positions.
SELECT append(%b::uuid[], %b::bigint[], %b::text[], %b::bytea[], %b::timestamptz[], %b::bigint[], %b::text[],
    %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::uuid[], %b::text[], %b::bigint[], %b::bigint[],
    %b::bigint[]) AS append;

-- name: add_dead_letter
-- Adds a dead letter; a record is one only once.
INSERT INTO dead_letters (topic, partition, "offset", timestamp_ms, key, value, headers, code, reason, sha256,
    subject)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (topic, partition, "offset") DO NOTHING;

-- name: dead_letter_at
-- Reads why the record at this place could not be taken, for the command that has sent it.
SELECT code, reason FROM dead_letters WHERE topic = %s AND partition = %s AND "offset" = %s;

-- name: events_of_input
-- Reads the events of these requests that follow from one record, for the command that has sent it.
SELECT notification_id, topic, state, originator_id, originator_version FROM stored_events
WHERE originator_id = ANY(%s) AND input = %s ORDER BY notification_id;

-- name: events_of_cause
-- Reads the events of a request that follow from another stage's event, for the command at the beginning of both.
SELECT notification_id, topic, state, originator_id, originator_version FROM stored_events
WHERE originator_id = %s AND causation = %s ORDER BY notification_id;
