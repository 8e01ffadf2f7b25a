-- Statements of postavka.kernel.installation, by name: `postavka.kernel.store.queries` loads them.

-- name: finished
-- The contract up to which new versions of events are written.
SELECT finished FROM installation.contract;

-- name: begin
-- The row of a database that has none yet.
INSERT INTO installation.contract (finished) VALUES (%s) ON CONFLICT DO NOTHING;

-- name: finish
-- Never back: what is written is written.
UPDATE installation.contract SET finished = %s, finished_at = now() WHERE finished < %s;

-- name: has_events
-- Is there the store of a stage: is this database of an installation that has worked before?
SELECT EXISTS (SELECT 1 FROM pg_tables WHERE tablename = 'stored_events');
