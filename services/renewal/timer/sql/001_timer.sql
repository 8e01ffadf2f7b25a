-- Services and their ends, folded from renewal.events; `asked_on` is what the timer has done itself. Lost, a day is told
-- twice, which does no harm.

CREATE TABLE services (
    request_id uuid PRIMARY KEY,
    until date,
    known_since date,
    reminded int,
    lapsed boolean,
    asked_on date
);
COMMENT ON COLUMN services.reminded IS 'The nearest step of the ladder to this end that was told, in days before it';
COMMENT ON COLUMN services.asked_on IS 'The last day, in Moscow, on which the timer has looked at this service';
CREATE INDEX services_by_end ON services (until) WHERE NOT lapsed;

CREATE TABLE marks (
    name text PRIMARY KEY,
    "offset" bigint NOT NULL,
    position bigint NOT NULL
);

CREATE TABLE unread (
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    type text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);
