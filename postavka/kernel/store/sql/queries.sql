-- Statements of postavka.kernel.store, by name: `postavka.kernel.store.queries` loads them.

-- name: keep_dead_letters
-- Changes dead letters, for `keep_dead_letters`.
UPDATE dead_letters SET status = 'done', tries = tries + 1 WHERE id = ANY(%s);

-- name: marks
-- The mark of every named input partition; one that was never handled gets its row now, at -1.
INSERT INTO notification_tracking (application_name, notification_id)
SELECT name, -1
FROM unnest(%s::text[]) AS name
ON CONFLICT DO NOTHING;

-- name: select_marks
-- Reads notification tracking, for `select_marks`.
SELECT application_name, notification_id, position FROM notification_tracking WHERE application_name = ANY(%s);

-- name: find_claims
-- Who has claimed these values; a free one is left out.
SELECT value, originator_id FROM claims WHERE kind = %s AND value = ANY(%s);

-- name: highest_claim
-- The highest value claimed in `low <= value < high`, in the order of the database; None if there is none.
SELECT max(value) AS highest FROM claims WHERE kind = %s AND value >= %s AND value < %s;

-- name: head
-- The last position given out; 0 for an empty store.
SELECT position FROM head;

-- name: refuse_again
-- A retry came to nothing: the letter stays, with the new reason. One that another worker has got through
-- meanwhile, or somebody has settled, stays so.
UPDATE dead_letters SET status = 'open', tries = tries + 1, code = %s, reason = %s WHERE id = %s AND status IN
('open', 'retry');

-- name: append
-- Reads what `append` needs.
SELECT append(%b::uuid[], %b::bigint[], %b::text[], %b::bytea[], %b::timestamptz[], %b::bigint[], %b::text[],
    %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::uuid[], %b::text[], %b::bigint[], %b::bigint[],
    %b::bigint[]) AS append;

-- name: insert_dead_letter
-- Adds dead letters, for `insert_dead_letter`.
INSERT INTO dead_letters (topic, partition, "offset", timestamp_ms, key, value, headers, code, reason, sha256,
    subject)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (topic, partition, "offset") DO NOTHING;
