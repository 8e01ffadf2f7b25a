-- The Merkle trees of the stages' logs, and what was signed of them. Everything here can be computed anew from the
-- topics; what counts is signed and kept elsewhere.

CREATE TABLE logs (
    name text PRIMARY KEY,
    size bigint NOT NULL
) WITH (fillfactor = 20);
COMMENT ON TABLE logs IS 'How many events of a stage''s topic are in its tree: positions 1 to size';

CREATE TABLE tiles (
    log text NOT NULL,
    level int NOT NULL,
    index bigint NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (log, level, index)
);
ALTER TABLE tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE tiles IS '256 hashes of 32 bytes each, end to end; level 0 are the leaves. Only the last tile of a level may be shorter, and changes';

CREATE TABLE followed (
    name text PRIMARY KEY,
    "offset" bigint NOT NULL
) WITH (fillfactor = 20);
COMMENT ON TABLE followed IS 'For each topic/partition the offset below which everything is in the tree';

CREATE TABLE checkpoints (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    log text NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL,
    signed_at timestamptz NOT NULL,
    note text NOT NULL,
    told boolean NOT NULL DEFAULT false
);
CREATE INDEX checkpoints_of_log ON checkpoints (log, size, id);
CREATE INDEX checkpoints_to_tell ON checkpoints (id) WHERE NOT told;
COMMENT ON COLUMN checkpoints.told IS 'In the file and on the topic';

CREATE TABLE oddities (
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    kind text NOT NULL,
    position bigint,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, "offset")
);
COMMENT ON TABLE oddities IS 'Records on a stage''s topic that its relay can''t have written: forged, or another event under a position that was there';
