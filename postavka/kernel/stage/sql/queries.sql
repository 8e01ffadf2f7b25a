-- Statements of postavka.kernel.stage, by name: `postavka.kernel.store.queries` loads them.

-- name: bring_back
-- Import every event of the stage's topic that lies above the store's head; returns how many.
SELECT pg_advisory_lock(hashtext(%s));

-- name: note_incomplete
-- Adds incomplete inputs, for `note_incomplete`.
INSERT INTO incomplete_inputs (input) VALUES (%s) ON CONFLICT DO NOTHING;

-- name: complete_inputs_read_incomplete_inputs
-- Add what is missing of inputs that may have been published in part; returns how many events. Before anything
-- else is read. `fetch` gives the record of an input (`topic/partition/offset`).
SELECT input FROM incomplete_inputs ORDER BY input;

-- name: complete_inputs_delete_incomplete_inputs
-- Add what is missing of inputs that may have been published in part; returns how many events. Before anything
-- else is read. `fetch` gives the record of an input (`topic/partition/offset`).
DELETE FROM incomplete_inputs WHERE input = %s;

-- name: imported_inputs
-- Inputs that must not be handled again, as `topic/partition/offset`.
SELECT input FROM imported_inputs;

-- name: import_events_insert_stored_events
-- Put events back under their own positions, with what they claim and the inputs they were made from.
INSERT INTO stored_events (originator_id, originator_version, topic, state, recorded_at, clock, causation,
    correlation, input, trace, notification_id)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s);

-- name: import_events_insert_claims
-- Put events back under their own positions, with what they claim and the inputs they were made from.
INSERT INTO claims (kind, value, originator_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING;

-- name: import_events_insert_imported_inputs
-- Put events back under their own positions, with what they claim and the inputs they were made from.
INSERT INTO imported_inputs (input) VALUES (%s) ON CONFLICT DO NOTHING;

-- name: import_events_update_head
-- Put events back under their own positions, with what they claim and the inputs they were made from.
UPDATE head SET position = greatest(position, %s);
