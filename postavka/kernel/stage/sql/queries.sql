-- Statements of postavka.kernel.stage, by name: `postavka.kernel.store.queries` loads them.

-- name: lock
-- Lets one worker of a stage at a time bring events back from the topic.
SELECT pg_advisory_lock(hashtext(%s));

-- name: head
-- Reads the last position given out.
SELECT position FROM head;

-- name: head_for_update
-- Reads the last position given out, and lets nobody give out another one until the transaction ends.
SELECT position FROM head FOR UPDATE;

-- name: note_incomplete
-- Adds an input of which some events may be missing, until they are completed.
INSERT INTO incomplete_inputs (input) VALUES (%s) ON CONFLICT DO NOTHING;

-- name: incomplete_inputs
-- Reads the inputs of which some events may be missing.
SELECT input FROM incomplete_inputs ORDER BY input;

-- name: completed
-- Removes an input whose events are complete.
DELETE FROM incomplete_inputs WHERE input = %s;

-- name: imported_inputs
-- Reads the inputs that must not be handled again, as `topic/partition/offset`.
SELECT input FROM imported_inputs;

-- name: import_event
-- Adds an event under the position that its record bears.
INSERT INTO stored_events (originator_id, originator_version, topic, state, recorded_at, clock, causation,
    correlation, input, trace, notification_id)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s);

-- name: import_claim
-- Adds a value that an imported event has claimed.
INSERT INTO claims (kind, value, originator_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING;

-- name: import_input
-- Adds an input that imported events were made from.
INSERT INTO imported_inputs (input) VALUES (%s) ON CONFLICT DO NOTHING;

-- name: raise_head
-- Raises the last position given out to that of imported events.
UPDATE head SET position = greatest(position, %s);
