-- Webhooks of tenants, and the log of their deliveries. What was sent is no copy: it is read from the feed by its number,
-- so that a forgotten person is forgotten here as well.

CREATE TABLE webhooks (
    webhook_id uuid PRIMARY KEY,
    partner_id text,
    distributor_id text,
    url text NOT NULL,
    types text[] NOT NULL,
    secrets bytea[] NOT NULL,
    former_until timestamptz,
    number bigint NOT NULL,
    is_on boolean NOT NULL DEFAULT true,
    off_reason text,
    failing_since timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    busy_until timestamptz NOT NULL DEFAULT now(),
    CHECK ((partner_id IS NULL) <> (distributor_id IS NULL))
);
CREATE INDEX webhooks_of_partner ON webhooks (partner_id) WHERE partner_id IS NOT NULL;
CREATE INDEX webhooks_of_distributor ON webhooks (distributor_id) WHERE distributor_id IS NOT NULL;
COMMENT ON COLUMN webhooks.types IS 'Names of events without their version; none: all';
COMMENT ON COLUMN webhooks.number IS 'The last event of the tenant''s feed that was taken into the log of deliveries';
COMMENT ON COLUMN webhooks.secrets IS 'Sealed, the newest first; the others sign beside it until former_until';
COMMENT ON COLUMN webhooks.busy_until IS 'Until then one worker delivers for it';

CREATE TABLE deliveries (
    webhook_id uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    number bigint NOT NULL,
    partner_id text,
    distributor_id text,
    request_id uuid NOT NULL,
    type text NOT NULL,
    status text NOT NULL DEFAULT 'due' CHECK (status IN ('due', 'sent', 'failed')),
    tries int NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    made_at timestamptz NOT NULL DEFAULT now(),
    tried_at timestamptz,
    took_ms int,
    answered int,
    said text,
    PRIMARY KEY (webhook_id, number)
);
CREATE INDEX deliveries_due ON deliveries (webhook_id, request_id, number) WHERE status = 'due';
CREATE INDEX deliveries_by_age ON deliveries (made_at) WHERE status <> 'due';
COMMENT ON COLUMN deliveries.number IS 'Of the event in the tenant''s feed';
COMMENT ON COLUMN deliveries.answered IS 'The status of the last answer; none: there was none';
COMMENT ON COLUMN deliveries.said IS 'What was answered, as far as it may be kept, or what went wrong';
