-- Input partitions that have lost their end: they are shorter than what their reader has handled.
CREATE TABLE held (
    reader text NOT NULL,
    place text NOT NULL,
    reached bigint NOT NULL,
    ends bigint NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (reader, place)
);
COMMENT ON COLUMN held.reader IS 'The schema that has its checkpoints';
COMMENT ON COLUMN held.place IS 'topic/partition';
COMMENT ON COLUMN held.reached IS 'Offset of the last record that was handled';
COMMENT ON COLUMN held.ends IS 'The next offset of the partition when it was noticed';
