-- Statements of services.audit, by name: `postavka.kernel.store.queries` loads them.

-- name: store_head
-- Reads the last position of a stage's store.
SELECT position FROM {}.head;

-- name: checkpoints
-- Reads the checkpoints of a stage, for a consistent cut.
SELECT application_name, notification_id FROM {}.notification_tracking;

-- name: relay_position
-- Reads how far a relay has published, for a consistent cut.
SELECT position FROM {}.relay;

-- name: note_look
-- Adds to the access log who looked at which requests.
INSERT INTO audit.looked (actor, role, organisation, request_id, what, address)
SELECT %s, %s, %s, request_id, %s, %s
FROM unnest(%s::uuid[]) AS request_id;

-- name: looks
-- Reads the access log, newest first: of a request, of an actor.
SELECT id, at, actor, role, organisation, request_id, what, address
FROM audit.looked
WHERE (%(request)s::uuid IS NULL OR request_id = %(request)s) AND (%(actor)s::text IS NULL OR actor = %(actor)s) AND
    (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC
LIMIT %(page)s;

-- name: table_there
-- Looks whether a table is there: on a new installation services may never have started.
SELECT to_regclass(%s);

-- name: requests_of
-- Reads the ids of a partner's requests, by the cabinet's index (`verify` proves that the cabinet is the fold).
SELECT request_id FROM {}.requests WHERE partner_id = %s;

-- name: touched
-- Reads which requests had events in a stretch of time, for an export.
SELECT DISTINCT originator_id FROM {}.stored_events WHERE clock > %s AND clock <= %s;

-- name: stream
-- Reads a stage's events with a clock up to a moment, request by request; perhaps of some requests alone.
SELECT originator_id, clock, {}::text, notification_id, topic, state, recorded_at
FROM {}.stored_events
WHERE clock <= %(until)s {}
ORDER BY originator_id, originator_version;

-- name: has_checkpoints
-- Looks whether the table of signed checkpoints has any.
SELECT EXISTS (SELECT FROM checkpoints);

-- name: add_published_checkpoint
-- Adds a signed checkpoint that the topic has. What is forged among them is found by `verify`.
INSERT INTO checkpoints (log, size, root, signed_at, note, told) VALUES (%s, %s, %s, %s, %s, true);

-- name: published_checkpoints
-- Reads the signed checkpoints that were published, to put them onto an empty topic.
SELECT log, size, root, signed_at, note FROM checkpoints WHERE told ORDER BY id;

-- name: lock
-- Takes the lock by which one auditor signs; false while another one has it.
SELECT pg_try_advisory_lock(hashtext('postavka.audit'));

-- name: is_gap
-- Looks whether a store has later events and not this one: after a restore from an older copy a position may stay
-- without one.
SELECT EXISTS (SELECT FROM {0} WHERE notification_id > %s), EXISTS (SELECT FROM {0} WHERE notification_id = %s);

-- name: note_oddity
-- Adds an oddity of a record.
INSERT INTO oddities (topic, partition, "offset", kind, position) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING;

-- name: add_checkpoint
-- Adds a signed checkpoint, not published yet.
INSERT INTO checkpoints (log, size, root, signed_at, note) VALUES (%s, %s, %s, %s, %s);

-- name: checkpoints_published
-- Marks the signed checkpoints that are on the topic.
UPDATE checkpoints SET told = true WHERE id = ANY(%s);

-- name: newest_checkpoints
-- Reads the last checkpoint of each of these logs.
SELECT newest.*
FROM unnest(%s::text[]) AS wanted (name),
    LATERAL (
        SELECT id, log, size, root, signed_at, note FROM checkpoints WHERE log = wanted.name ORDER BY id DESC LIMIT 1
    ) AS newest;

-- name: tree_size
-- Reads the size at which the tree of a log was saved last.
SELECT size FROM logs WHERE name = %s;

-- name: tile
-- Reads the hashes of one tile of a tree.
SELECT hashes FROM tiles WHERE log = %s AND level = %s AND index = %s;

-- name: save_tile
-- Writes the hashes of one tile of a tree.
INSERT INTO tiles (log, level, index, hashes)
VALUES (%s, %s, %s, %s)
ON CONFLICT (log, level, index)
DO UPDATE SET hashes = excluded.hashes;

-- name: save_sizes
-- Writes the sizes of the trees.
INSERT INTO logs (name, size)
SELECT *
FROM unnest(%s::text[], %s::bigint[])
ON CONFLICT (name)
DO UPDATE SET size = excluded.size;

-- name: save_followed
-- Writes how far each partition has been followed.
INSERT INTO followed (name, "offset")
SELECT *
FROM unnest(%s::text[], %s::bigint[])
ON CONFLICT (name)
DO UPDATE SET "offset" = excluded."offset";

-- name: read_followed
-- Reads the next offset to follow, by `topic/partition`.
SELECT name, "offset" FROM followed;

-- name: find_claims
-- Reads who had claimed these values; a free one is left out.
SELECT value, originator_id FROM {}.claims WHERE kind = %s AND value = ANY(%s);

-- name: search
-- Reads the requests that an auditor looks for, by the cabinet's columns.
SELECT request_id, number, coalesce(approval #>> '{{partner,name}}', partner_id) AS partner, status, submitted_at,
shipping ->> 'permission_number' AS permission, coalesce(approval #>> '{{client,name}}', request ->> 'buyer') AS buyer
FROM cabinet.requests WHERE {} ORDER BY submitted_at DESC NULLS LAST LIMIT %(most)s;

-- name: oddities
-- Counts the oddities of each topic.
SELECT topic, count(*) FROM oddities GROUP BY topic;

-- name: stages_there
-- Reads which of these stages have a store: on a new installation some may never have started.
SELECT stage
FROM unnest(%s::text[]) WITH ORDINALITY AS s(stage, place)
WHERE to_regclass(stage || '.stored_events') IS NOT NULL
ORDER BY place;

-- name: stored_events
-- Reads the events of these requests from a store; `until`: with a clock up to this.
SELECT notification_id, originator_id, originator_version, topic, state, recorded_at, clock, causation, correlation,
    input, trace
FROM {}.stored_events
WHERE originator_id = ANY(%s) AND (%s::bigint IS NULL OR clock <= %s);

-- name: dead_letters
-- Reads the dead letters of a request: known by its stage to be about it, or written under its key.
SELECT id, topic, partition, "offset", timestamp_ms, key, value, headers, code, reason, received_at, status, subject
FROM {}.dead_letters
WHERE subject = %s OR key = %s
ORDER BY id;

-- name: corrections_made
-- Reads which corrections of dead letters operations have made (`billing/12`), and who agreed.
SELECT topic, event FROM ops.stored_events, LATERAL (SELECT convert_from(state, 'UTF8')::jsonb AS event) AS e WHERE
topic IN ('DeadLetterCorrected.v1', 'CorrectionAgreed.v1') AND (%(only)s::text[] IS NULL OR (event #>>
'{letter,stage}') || '/' || (event #>> '{letter,number}') = ANY(%(only)s)) ORDER BY notification_id;

-- name: made_by_replay
-- Reads the comment of a schema, by which a replay knows one that it has made.
SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s;

-- name: drop_schema
-- Drops the schema that an earlier replay made.
DROP SCHEMA IF EXISTS {} CASCADE;

-- name: make_schema
-- Makes the schema of a replay.
CREATE SCHEMA {};

-- name: make_requests
-- Makes the table of requests of a replay, as the cabinet has it.
CREATE TABLE {}.requests (LIKE cabinet.requests INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING COMMENTS);

-- name: make_differences
-- Makes the table of decisions that a replay decided otherwise.
CREATE TABLE {}.differences (request_id uuid, stage text, input text, at timestamptz, was text[], now text[], first
    text, position bigint);

-- name: copy_differences
-- Copies the decisions that were decided otherwise into their table.
COPY {}.differences FROM STDIN;

-- name: index_requests
-- Makes the index of a replay's requests, once they are copied.
ALTER TABLE {}.requests ADD PRIMARY KEY (request_id);

-- name: use_schema
-- Looks for tables in the schema of a replay.
SET LOCAL search_path TO {};

-- name: dead_letter_reasons
-- Reads why records became dead letters, for a re-decision.
SELECT topic, partition, "offset", code, reason FROM {}.dead_letters;

-- name: use_schema_and_public
-- Looks for tables in the schema whose fold is checked.
SET LOCAL search_path TO {}, public;

-- name: cabinet_rows
-- Reads the cabinet's rows of these requests, to compare them with the fold.
SELECT request_id, status, request::text, approval::text, billing::text, shipping::text, activation::text,
    renewal::text
FROM {}.requests
WHERE request_id = ANY(%s);

-- name: cabinet_requests
-- Reads the ids of all requests that the cabinet shows.
SELECT request_id::text FROM {}.requests;

-- name: requests_with_events
-- Reads which of these requests have events in a store: one may have come since.
SELECT DISTINCT originator_id::text FROM {}.stored_events WHERE originator_id = ANY(%s::uuid[]);

-- name: stored_digests
-- Copies position and leaf hash of a store's events, in order, as PostgreSQL makes them.
COPY (SELECT notification_id, sha256({leaf}) FROM (SELECT *, originator_id::text AS id FROM {schema}.stored_events)
    AS e WHERE notification_id > {after} AND notification_id <= {until} {only} ORDER BY notification_id) TO STDOUT
    (FORMAT BINARY);

-- name: cabinet_there
-- Looks whether there is a cabinet, for the documents that it names.
SELECT to_regclass('cabinet.requests');

-- name: tree_leaves
-- Reads the leaf hashes of a log's tree, in pieces.
SELECT hashes FROM tiles WHERE log = %s AND level = 0 ORDER BY index;

-- name: published_size
-- Reads the size of the largest signed checkpoint of a log that was published.
SELECT coalesce(max(size), 0) FROM checkpoints WHERE log = %s AND told;

-- name: newest_row
-- Reads the highest id of a signed table; 0 for an empty one.
SELECT coalesce(max(id), 0) FROM {};

-- name: writers
-- Reads which transactions may have taken ids of a table and have not ended.
SELECT coalesce(array_agg(DISTINCT virtualtransaction), '{{}}')
FROM pg_locks
WHERE relation = {}::regclass AND mode = 'RowExclusiveLock' AND granted AND
    database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: signed_rows
-- Makes the leaf hashes of a signed table's rows, made by PostgreSQL.
SELECT id, sha256({leaf}) FROM {table} WHERE id > {after} AND ({until}::bigint IS NULL OR id <= {until}) ORDER BY id;

-- name: last_row
-- Reads up to which row a signed table is in its tree; nothing before the first time.
SELECT last_row FROM logs WHERE name = %s;

-- name: save_last_row
-- Notes up to which id rows are in the tree.
UPDATE logs SET last_row = %s WHERE name = %s;

-- name: save_entries
-- Notes from which place in the tree ids go on one by one.
INSERT INTO entries (log, entry, row_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING;

-- name: read_entries
-- Reads where ids begin to go on one by one.
SELECT entry, row_id FROM entries WHERE log = %s ORDER BY entry;

-- name: changed_bodies
-- Finds dead letters whose body is not the one that their hash was made of.
SELECT id FROM {} WHERE encode(sha256(coalesce(value, ''::bytea)), 'hex') <> sha256 ORDER BY id;

-- name: verifications
-- Reads the last verifications, the newest first.
SELECT id, asked_by, asked_at, started_at, done, total, finished_at, report, failed
FROM audit.verifications
ORDER BY id DESC
LIMIT %s;

-- name: ask_for_verification
-- Adds a verification that is asked for; nothing while another one is not finished.
INSERT INTO audit.verifications (asked_by) VALUES (%s) ON CONFLICT DO NOTHING;

-- name: keep_verification
-- Adds a verification that the command has made, with its outcome.
INSERT INTO audit.verifications (asked_by, asked_at, started_at, finished_at, report)
SELECT %s, began, began, now(), %s::jsonb
FROM (SELECT now() - make_interval(secs => %s) AS began) AS b;

-- name: asked_verification
-- Reads which verification is asked for and not finished, and whether it was begun before.
SELECT id, started_at IS NOT NULL FROM audit.verifications WHERE finished_at IS NULL;

-- name: lock_verification
-- Takes the lock by which one service verifies; false while another one has it.
SELECT pg_try_advisory_lock(hashtext('postavka.audit.verification'));

-- name: begin_verification
-- Notes that a verification is at work.
UPDATE audit.verifications SET started_at = coalesce(started_at, now()) WHERE id = %s;

-- name: verification_goes_on
-- Writes how far a verification is.
UPDATE audit.verifications SET done = %s, total = %s WHERE id = %s;

-- name: end_verification
-- Writes the outcome of a verification, or why it could not be done.
UPDATE audit.verifications SET report = %s::jsonb, failed = %s, finished_at = now(), done = total WHERE id = %s;
