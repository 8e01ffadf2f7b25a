-- What one service tells another: commands that follow from renewal's events, and whether they were sent. Built anew, they
-- are sent again, which does no harm.

CREATE TABLE carried (
    request_id uuid NOT NULL,
    told_by uuid NOT NULL,
    type text NOT NULL,
    body jsonb NOT NULL,
    sent boolean NOT NULL DEFAULT false,
    PRIMARY KEY (request_id, told_by, type)
);
COMMENT ON COLUMN carried.request_id IS 'Whom it is for';
CREATE INDEX carried_unsent ON carried (request_id) WHERE NOT sent;
