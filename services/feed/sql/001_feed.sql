-- The feed: events of requests as their tenants see them, each numbered for its partner, and for its distributor once the
-- request is approved. Numbers are the tenant's own, from 1, without gaps, and become visible in their order: whoever
-- gives one holds the tenant's row in `tenants` until it commits.

CREATE TABLE events (
    partner_id text NOT NULL,
    partner_number bigint NOT NULL,
    distributor_id text,
    distributor_number bigint,
    event text NOT NULL,
    PRIMARY KEY (partner_id, partner_number)
);
CREATE UNIQUE INDEX events_of_distributor ON events (distributor_id, distributor_number) WHERE distributor_number IS NOT NULL;
COMMENT ON TABLE events IS 'CloudEvents as JSON, as the partner sees them; personal data is encrypted as on the log';

CREATE TABLE tenants (
    party text NOT NULL CHECK (party IN ('partner', 'distributor')),
    party_id text NOT NULL,
    last bigint NOT NULL,
    PRIMARY KEY (party, party_id)
) WITH (fillfactor = 50);
COMMENT ON COLUMN tenants.last IS 'The last number that was given to an event of this tenant';

CREATE TABLE requests (
    request_id uuid PRIMARY KEY,
    partner_id text NOT NULL,
    distributor_id text,
    earlier bigint[] NOT NULL
) WITH (fillfactor = 70);
COMMENT ON COLUMN requests.distributor_id IS 'Set by the approval: from then on it is told as well';
COMMENT ON COLUMN requests.earlier IS 'Numbers of the partner''s events that a distributor is told of when the request is approved';

CREATE TABLE waiting (
    request_id uuid NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    cause_topic text,
    cause_offset bigint,
    clock bigint NOT NULL,
    type text NOT NULL,
    event text NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);
CREATE INDEX waiting_of_request ON waiting (request_id);
COMMENT ON TABLE waiting IS 'Events whose cause has not been read yet';

CREATE TABLE marks (
    name text PRIMARY KEY,
    "offset" bigint NOT NULL,
    position bigint NOT NULL
) WITH (fillfactor = 20);

CREATE TABLE unread (
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    type text NOT NULL,
    reason text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, "offset")
);
