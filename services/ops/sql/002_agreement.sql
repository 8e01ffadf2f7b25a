-- Corrections that wait for a second person's word: they open the gate, move money, or name a request that the record did
-- not name. A letter has one at most; it stays open meanwhile.

CREATE TABLE proposals (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stage text NOT NULL,
    letter bigint NOT NULL,
    key bytea,
    value bytea NOT NULL,
    reason text NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (stage, letter)
);
