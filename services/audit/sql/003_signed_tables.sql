-- Tables whose rows are signed as the events of the stages are: who looked, and the stages' dead letters. A row enters the
-- tree of its table once, behind those that are there, and never leaves it.
ALTER TABLE logs ADD COLUMN last_row bigint;
COMMENT ON COLUMN logs.last_row IS 'Of a signed table: every row up to this id is in the tree';

CREATE TABLE entries (
    log text NOT NULL,
    entry bigint NOT NULL,
    row_id bigint NOT NULL,
    PRIMARY KEY (log, entry)
);
COMMENT ON TABLE entries IS 'Of a signed table: from this place in the tree on (from 1) the ids of rows go on one by one from row_id. Only names what is missing; what counts is signed';
