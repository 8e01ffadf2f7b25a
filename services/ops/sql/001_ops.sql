-- Beside the event store of what operations did by hand (`postavka.store`).

CREATE TABLE corrections (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stage text NOT NULL,
    letter bigint NOT NULL,
    topic text NOT NULL,
    key bytea,
    value bytea,
    headers jsonb NOT NULL,
    sent_at timestamptz,
    UNIQUE (stage, letter)
);
CREATE INDEX corrections_to_send ON corrections (id) WHERE sent_at IS NULL;
COMMENT ON TABLE corrections IS 'Outbox of corrected records: written with their event, sent afterwards, perhaps more than once: what they say is idempotent by its own id';

CREATE TABLE waiting_by_day (
    day date NOT NULL,
    waits_for text NOT NULL,
    waiting int NOT NULL,
    overdue int NOT NULL,
    oldest_seconds double precision NOT NULL,
    PRIMARY KEY (day, waits_for)
);
COMMENT ON TABLE waiting_by_day IS 'The worst of each day (Moscow): how many waited, how many beyond the limit, the longest';
