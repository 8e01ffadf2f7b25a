-- An input's events are written together but published one by one. Of the last one that is found in each partition of the
-- stage's topic nobody can see whether more were to follow: it is decided once more before anything else is read.
CREATE TABLE incomplete_inputs (
    input text PRIMARY KEY
);
COMMENT ON TABLE incomplete_inputs IS 'Inputs that were the last on the topic when events came back from it: more of their events may be missing';
