-- Statements of services.audit, by name: `postavka.kernel.store.queries` loads them.

-- name: make_cut_read_head
-- Take it. Waits for the relays of stores that have grown within the last second or so.
SELECT position FROM {}.head;

-- name: make_cut_read_notification_tracking
-- Take it. Waits for the relays of stores that have grown within the last second or so.
SELECT application_name, notification_id FROM {}.notification_tracking;

-- name: wait_for_relays
-- Reads relay, for `wait_for_relays`.
SELECT position FROM {}.relay;

-- name: access_log_note
-- Adds looked, for `access_log_note`.
INSERT INTO audit.looked (actor, role, organisation, request_id, what, address)
SELECT %s, %s, %s, request_id, %s, %s
FROM unnest(%s::uuid[]) AS request_id;

-- name: looks
-- Newest first, at most `PAGE`; of a request, of an actor.
SELECT id, at, actor, role, organisation, request_id, what, address
FROM audit.looked
WHERE (%(request)s::uuid IS NULL OR request_id = %(request)s) AND (%(actor)s::text IS NULL OR actor = %(actor)s) AND
    (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC
LIMIT %(page)s;

-- name: requests_of_read
-- Ids of a partner's requests, by the cabinet's index (`verify` proves that the cabinet is the fold).
SELECT to_regclass(%s);

-- name: requests_of_read_requests
-- Ids of a partner's requests, by the cabinet's index (`verify` proves that the cabinet is the fold).
SELECT request_id FROM {}.requests WHERE partner_id = %s;

-- name: touched
-- Reads stored events, for `touched`.
SELECT DISTINCT originator_id FROM {}.stored_events WHERE clock > %s AND clock <= %s;

-- name: stream
-- Events of a stage with a clock up to a moment, request by request; perhaps of some requests alone.
SELECT originator_id, clock, {}::text, notification_id, topic, state, recorded_at
FROM {}.stored_events
WHERE clock <= %(until)s {}
ORDER BY originator_id, originator_version;

-- name: bring_back_checkpoints_read_checkpoints
-- Put what the topic has into an empty table; returns how many. What is forged among them is found by `verify`.
SELECT EXISTS (SELECT FROM checkpoints);

-- name: bring_back_checkpoints_insert_checkpoints
-- Put what the topic has into an empty table; returns how many. What is forged among them is found by `verify`.
INSERT INTO checkpoints (log, size, root, signed_at, note, told) VALUES (%s, %s, %s, %s, %s, true);

-- name: publish_checkpoints
-- Put what the table has onto an empty topic; returns how many.
SELECT log, size, root, signed_at, note FROM checkpoints WHERE told ORDER BY id;

-- name: has_trees
-- Has the auditor's service ever been at work here?
SELECT to_regclass(%s);

-- name: try_to_start
-- Take the lock and open everything; False while another service has it.
SELECT pg_try_advisory_lock(hashtext('postavka.audit'));

-- name: is_gap
-- Does everything wait for an event that there is not? After a store was restored from an older copy a position
-- may stay without one. It counts only once the store itself, with events behind, has not had it for a while.
SELECT EXISTS (SELECT FROM {0} WHERE notification_id > %s), EXISTS (SELECT FROM {0} WHERE notification_id = %s);

-- name: signer_note
-- Adds oddities, for `signer_note`.
INSERT INTO oddities (topic, partition, "offset", kind, position) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING;

-- name: sign_one
-- Adds checkpoints, for `sign_one`.
INSERT INTO checkpoints (log, size, root, signed_at, note) VALUES (%s, %s, %s, %s, %s);

-- name: tell
-- Into the file, then onto the topic, then remembered: each at least once.
UPDATE checkpoints SET told = true WHERE id = ANY(%s);

-- name: open_tree
-- The tree of a log as it was saved last.
SELECT size FROM logs WHERE name = %s;

-- name: read
-- Reads tiles, for `read`.
SELECT hashes FROM tiles WHERE log = %s AND level = %s AND index = %s;

-- name: save_insert_tiles
-- Keep what has changed, and how far each partition has been followed. In the caller's transaction.
INSERT INTO tiles (log, level, index, hashes)
VALUES (%s, %s, %s, %s)
ON CONFLICT (log, level, index)
DO UPDATE SET hashes = excluded.hashes;

-- name: save_insert_logs
-- Keep what has changed, and how far each partition has been followed. In the caller's transaction.
INSERT INTO logs (name, size)
SELECT *
FROM unnest(%s::text[], %s::bigint[])
ON CONFLICT (name)
DO UPDATE SET size = excluded.size;

-- name: save_insert_followed
-- Keep what has changed, and how far each partition has been followed. In the caller's transaction.
INSERT INTO followed (name, "offset")
SELECT *
FROM unnest(%s::text[], %s::bigint[])
ON CONFLICT (name)
DO UPDATE SET "offset" = excluded."offset";

-- name: read_followed
-- Next offset to read, by `topic/partition`.
SELECT name, "offset" FROM followed;

-- name: untouched
-- Was nothing ever signed into this database?
SELECT to_regclass(%s);

-- name: unsigned_read
-- Logs whose newest checkpoint does not reach `heads` (left out: what their stores have now); and these heads.
SELECT to_regclass(%s);

-- name: unsigned_read_head
-- Logs whose newest checkpoint does not reach `heads` (left out: what their stores have now); and these heads.
SELECT position FROM {}.head;

-- name: find_claims
-- Who had claimed these values; a free one is left out.
SELECT value, originator_id FROM {}.claims WHERE kind = %s AND value = ANY(%s);

-- name: read_store
-- The log as it is in the stage's store; empty where the schema is missing.
SELECT to_regclass(%s);

-- name: search
-- By the cabinet's columns. Text is looked for as lists do it: small letters, «ё» as «е».
SELECT request_id, partner_id, status, submitted_at, shipping ->> 'permission_number' AS permission,
coalesce(approval #>> '{client,name}', request ->> 'buyer') AS buyer FROM cabinet.requests WHERE request_id::text
LIKE %(begin)s OR search LIKE %(part)s OR shipping ->> 'permission_number' = %(exact)s OR billing #>>
'{invoice,number}' = %(exact)s OR partner_id = %(exact)s ORDER BY submitted_at DESC NULLS LAST LIMIT %(most)s;

-- name: signed
-- Reads oddities, for `signed`.
SELECT topic, count(*) FROM oddities GROUP BY topic;

-- name: stages_there
-- Stages that have a store: on a new installation some may never have started.
SELECT stage
FROM unnest(%s::text[]) WITH ORDINALITY AS s(stage, place)
WHERE to_regclass(stage || '.stored_events') IS NOT NULL
ORDER BY place;

-- name: logs_there
-- The same with the store of what operations do by hand.
SELECT to_regclass(%s);

-- name: stored_events
-- Events of these requests from all stores, in causal order; `until`: with a clock up to this.
SELECT notification_id, originator_id, originator_version, topic, state, recorded_at, clock, causation, correlation,
    input, trace
FROM {}.stored_events
WHERE originator_id = ANY(%s) AND (%s::bigint IS NULL OR clock <= %s);

-- name: dead_letters
-- Dead letters of a request: known by its stage to be about it, or written under its key.
SELECT id, topic, partition, "offset", timestamp_ms, key, value, headers, code, reason, received_at, status, subject
FROM {}.dead_letters
WHERE subject = %s OR key = %s
ORDER BY id;

-- name: corrections_made
-- By operations, of these dead letters (`billing/12`); None: of all.
SELECT topic, event FROM ops.stored_events, LATERAL (SELECT convert_from(state, 'UTF8')::jsonb AS event) AS e WHERE
topic IN ('DeadLetterCorrected.v1', 'CorrectionAgreed.v1') AND (%(only)s::text[] IS NULL OR (event #>>
'{letter,stage}') || '/' || (event #>> '{letter,number}') = ANY(%(only)s)) ORDER BY notification_id;

-- name: prepare_read_pg_namespace
-- Make the schema, or empty the one that an earlier replay made.
SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s;

-- name: prepare_drop
-- Make the schema, or empty the one that an earlier replay made.
DROP SCHEMA IF EXISTS {} CASCADE;

-- name: prepare_create
-- Make the schema, or empty the one that an earlier replay made.
CREATE SCHEMA {};

-- name: prepare_create_requests
-- Make the schema, or empty the one that an earlier replay made.
CREATE TABLE {}.requests (LIKE cabinet.requests INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING COMMENTS);

-- name: prepare_create_differences
-- Make the schema, or empty the one that an earlier replay made.
CREATE TABLE {}.differences (request_id uuid, stage text, input text, at timestamptz, was text[], now text[], first
    text, position bigint);

-- name: finish_copy_STDIN
-- Copies STDIN, for `finish_copy_STDIN`.
COPY {}.differences FROM STDIN;

-- name: finish_alter_requests
-- Alters requests, for `finish_alter_requests`.
ALTER TABLE {}.requests ADD PRIMARY KEY (request_id);

-- name: end
-- Sets what `end` needs.
SET LOCAL search_path TO {};

-- name: letters
-- Reads dead letters, for `letters`.
SELECT topic, partition, "offset", code, reason FROM {}.dead_letters;

-- name: check_share_read
-- Read these partition numbers and compare.
SELECT to_regclass(%s);

-- name: check_share_set
-- Read these partition numbers and compare.
SET LOCAL search_path TO {}, public;

-- name: compare
-- Reads requests, for `compare`.
SELECT request_id, status, request::text, approval::text, billing::text, shipping::text, activation::text
FROM {}.requests
WHERE request_id = ANY(%s);

-- name: surplus_rows_read_requests
-- Requests that the cabinet shows and the log does not have. One that has come since has events in a store.
SELECT request_id::text FROM {}.requests;

-- name: surplus_rows_read
-- Requests that the cabinet shows and the log does not have. One that has come since has events in a store.
SELECT to_regclass(%s);

-- name: surplus_rows_read_stored_events
-- Requests that the cabinet shows and the log does not have. One that has come since has events in a store.
SELECT DISTINCT originator_id::text FROM {}.stored_events WHERE originator_id = ANY(%s::uuid[]);

-- name: stored_digests
-- (position, leaf hash) of events of a store, in order, made by PostgreSQL.
COPY (SELECT notification_id, sha256({leaf}) FROM (SELECT *, originator_id::text AS id FROM {schema}.stored_events)
    AS e WHERE notification_id > {after} AND notification_id <= {until} {only} ORDER BY notification_id) TO STDOUT
    (FORMAT BINARY);

-- name: gather
-- Reads what `gather` needs.
SELECT to_regclass('cabinet.requests');
