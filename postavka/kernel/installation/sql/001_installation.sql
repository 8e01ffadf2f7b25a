-- One row: what this installation has left behind, so that nobody goes back to a release before it.
CREATE TABLE contract (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    finished integer NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now()
);
