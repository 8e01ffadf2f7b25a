-- What a user has typed into the form of a request and not sent yet, for every computer of that user. The web application
-- writes it; it is no fold of the log.
CREATE TABLE drafts (
    user_id text NOT NULL,
    partner_id text NOT NULL,
    distributor_id text CHECK (distributor_id IS NULL),
    request_id uuid NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    typed jsonb NOT NULL,
    PRIMARY KEY (user_id, partner_id, request_id)
);
CREATE INDEX drafts_by_time ON drafts (changed_at);
COMMENT ON COLUMN drafts.request_id IS 'Of the request that it becomes when it is sent';
COMMENT ON COLUMN drafts.distributor_id IS 'Nobody: row-level security asks for it';
COMMENT ON COLUMN drafts.typed IS 'By the names of the form. Personal data is encrypted, as on the log';
