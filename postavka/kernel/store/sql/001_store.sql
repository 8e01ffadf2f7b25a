-- The event store of one stage. The names of tables and columns are those of the `eventsourcing` library where it has
-- them; `notification_id` is the event's position: 1, 2, 3 … in the order of commit.

CREATE TABLE head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL
) WITH (fillfactor = 20);
COMMENT ON TABLE head IS 'The last position given out. Its row lock makes positions follow the order of commit; a rollback gives them back, so that there are no gaps.';
INSERT INTO head (position) VALUES (0);

CREATE TABLE stored_events (
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    notification_id bigint PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    clock bigint NOT NULL,
    causation text,
    correlation text,
    input text,
    trace text,
    UNIQUE (originator_id, originator_version)
) WITH (
    -- Rows are only ever added: vacuum has nothing to find but must freeze now and then.
    autovacuum_vacuum_insert_scale_factor = 0.5
);
COMMENT ON COLUMN stored_events.topic IS 'Type with version, as in the header ce_type';
COMMENT ON COLUMN stored_events.state IS 'The JSON body, byte for byte as on Kafka';
COMMENT ON COLUMN stored_events.clock IS 'Hybrid logical clock: milliseconds << 16 | counter';
COMMENT ON COLUMN stored_events.input IS 'topic/partition/offset of the record that was being handled';

CREATE TABLE notification_tracking (
    application_name text PRIMARY KEY,
    notification_id bigint NOT NULL,
    position bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);
COMMENT ON TABLE notification_tracking IS 'How far each input partition (topic/partition) has been handled: the truth about where reading goes on';
COMMENT ON COLUMN notification_tracking.notification_id IS 'Kafka offset of the last record handled; -1: none';
COMMENT ON COLUMN notification_tracking.position IS 'Highest position of the writing stage seen there: a repeated position is a late duplicate';

CREATE TABLE claims (
    kind text NOT NULL,
    value text NOT NULL,
    originator_id uuid NOT NULL,
    PRIMARY KEY (kind, value)
);
COMMENT ON TABLE claims IS 'Values that may exist once: permission numbers, invoice numbers, payments';

CREATE TABLE imported_inputs (
    input text PRIMARY KEY
);
COMMENT ON TABLE imported_inputs IS 'Inputs whose events came back from the topic after the store was restored from an older copy: read again, they are skipped';

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    timestamp_ms bigint NOT NULL,
    key bytea,
    value bytea,
    headers jsonb NOT NULL,
    code text NOT NULL,
    reason text NOT NULL,
    sha256 text NOT NULL,
    subject uuid,
    received_at timestamptz NOT NULL DEFAULT now(),
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'retry', 'done')),
    tries int NOT NULL DEFAULT 0,
    relayed boolean NOT NULL DEFAULT false,
    UNIQUE (topic, partition, "offset")
);
CREATE INDEX dead_letters_to_relay ON dead_letters (id) WHERE NOT relayed;
CREATE INDEX dead_letters_to_retry ON dead_letters (id) WHERE status = 'retry';
COMMENT ON COLUMN dead_letters.headers IS 'List of [name, value in base64 or null], in order';

CREATE TABLE relay (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL,
    offsets jsonb NOT NULL
);
COMMENT ON TABLE relay IS 'Checkpoint, written lazily: everything up to this position is on Kafka, below these offsets (topic/partition: next offset)';
INSERT INTO relay (position, offsets) VALUES (0, '{}');

CREATE VIEW events AS
    SELECT notification_id AS position, originator_id AS request_id, originator_version AS version, topic AS type,
        convert_from(state, 'UTF8')::jsonb AS body, recorded_at, clock, causation, correlation, input
    FROM stored_events;
COMMENT ON VIEW events IS 'The events as a person would query them';
