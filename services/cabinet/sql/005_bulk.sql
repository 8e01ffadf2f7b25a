-- Many requests that came at once, row by row: what was typed, what is wrong with it, and whether it has been sent. Kept
-- for 30 days. The web application writes it; it is no fold of the log.
CREATE TABLE bulk (
    bulk_id uuid PRIMARY KEY,
    name text NOT NULL,
    partner_id text NOT NULL,
    distributor_id text CHECK (distributor_id IS NULL),
    actor text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    rows jsonb NOT NULL
);
CREATE INDEX bulk_by_time ON bulk (created_at);
COMMENT ON COLUMN bulk.name IS 'Of the file; of a call of the API, nothing';
COMMENT ON COLUMN bulk.distributor_id IS 'Nobody: row-level security asks for it';
COMMENT ON COLUMN bulk.rows IS 'In the order of the file. Personal data is encrypted, as on the log';
