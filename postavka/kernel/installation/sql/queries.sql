-- Statements of postavka.kernel.installation, by name: `postavka.kernel.store.queries` loads them.

-- name: finished
-- Reads the contract up to which new versions of events are written.
SELECT finished FROM installation.contract;

-- name: begin
-- Adds the row of a database that has none yet.
INSERT INTO installation.contract (finished) VALUES (%s) ON CONFLICT DO NOTHING;

-- name: finish
-- Changes the contract, never back: what is written is written.
UPDATE installation.contract SET finished = %s, finished_at = now() WHERE finished < %s;

-- name: has_events
-- Checks whether there is the store of a stage: this database is of an installation that has worked before.
SELECT EXISTS (SELECT 1 FROM pg_tables WHERE tablename = 'stored_events');

-- name: hold
-- Adds partitions that a reader holds; those that it holds already stay as they were noticed.
INSERT INTO installation.held (reader, place, reached, ends)
SELECT %s, * FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) ON CONFLICT DO NOTHING;

-- name: held_by
-- Reads the partitions that a reader holds.
SELECT place, reached, ends FROM installation.held WHERE reader = %s;

-- name: all_held
-- Reads all partitions that are held.
SELECT reader, place, reached, ends FROM installation.held ORDER BY reader, place;

-- name: let_go
-- Removes a partition that is read again.
DELETE FROM installation.held WHERE reader = %s AND place = %s;

-- name: is_there
-- Checks whether there is a table.
SELECT to_regclass(%s) IS NOT NULL;

-- name: last_effect
-- Reads when a stage has last made something of a record of this partition: an event, or a dead letter.
SELECT greatest(
    (SELECT max(recorded_at) FROM {}.stored_events WHERE input LIKE %s || '/%%'),
    (SELECT max(received_at) FROM {}.dead_letters WHERE topic || '/' || partition = %s)
);

-- name: set_back_stage
-- Changes the checkpoint of a stage's input.
UPDATE {}.notification_tracking SET notification_id = %s WHERE application_name = %s;

-- name: set_back_projection
-- Changes the checkpoint of a projection's input.
UPDATE {}.marks SET "offset" = %s WHERE name = %s;
