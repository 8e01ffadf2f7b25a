-- The read model. One row a request, one JSON group a stage; columns for searching are generated from the groups, so
-- that they can never disagree with them.

CREATE TABLE requests (
    request_id uuid PRIMARY KEY,
    request jsonb,
    approval jsonb,
    billing jsonb,
    shipping jsonb,
    activation jsonb,
    partner_id text GENERATED ALWAYS AS (coalesce(request ->> 'partner_id', approval #>> '{partner,id}')) STORED,
    distributor_id text GENERATED ALWAYS AS (coalesce(request ->> 'distributor_id', approval #>> '{distributor,id}')) STORED,
    submitted_at text COLLATE "C" GENERATED ALWAYS AS (request ->> 'submitted_at') STORED,
    status text GENERATED ALWAYS AS (
        CASE
            WHEN activation ? 'activated_at' THEN 'activated'
            WHEN shipping ? 'shipped_at' THEN 'shipped'
            WHEN shipping ? 'ordered_at' THEN 'manufacturing'
            WHEN request ? 'withdrawn_at' THEN 'withdrawn'
            WHEN approval ? 'rejected_at' THEN 'rejected'
            WHEN billing ? 'declined_at' THEN 'declined'
            WHEN approval ? 'approved_at' AND approval ->> 'channel' = 'direct' THEN 'awaiting-payment'
            WHEN approval ? 'approved_at' THEN 'awaiting-confirmation'
            ELSE 'submitted'
        END
    ) STORED
) WITH (fillfactor = 60);
CREATE INDEX requests_of_partner ON requests (partner_id, submitted_at DESC, request_id);
CREATE INDEX requests_of_distributor ON requests (distributor_id, submitted_at DESC, request_id);

CREATE TABLE marks (
    name text PRIMARY KEY,
    "offset" bigint NOT NULL,
    position bigint NOT NULL
) WITH (fillfactor = 20);
COMMENT ON TABLE marks IS 'How far each topic/partition is folded into the table requests, moved in the same transaction';

CREATE TABLE unread (
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    type text NOT NULL,
    reason text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, "offset")
);
COMMENT ON TABLE unread IS 'Records that this release could not read (from a newer one, perhaps): a rebuild picks them up';
