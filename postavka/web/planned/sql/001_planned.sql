-- Commands that are sent later, and for 30 days what became of them.

CREATE TABLE commands (
    plan_id uuid PRIMARY KEY,
    kind text NOT NULL,
    fields jsonb NOT NULL,
    subjects text[] NOT NULL,
    title text NOT NULL,
    result_path text NOT NULL,
    partner_id text,
    distributor_id text,
    owner text NOT NULL,
    actor text NOT NULL,
    principal jsonb NOT NULL,
    planned_at timestamptz NOT NULL DEFAULT now(),
    not_before timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'refused', 'undone')),
    tries int NOT NULL DEFAULT 0,
    again_at timestamptz,
    finished_at timestamptz,
    outcome text,
    CHECK ((state = 'waiting') = (finished_at IS NULL))
);
CREATE INDEX commands_waiting ON commands (not_before) WHERE state = 'waiting';
CREATE INDEX commands_of_owner ON commands (owner, planned_at DESC);
COMMENT ON COLUMN commands.plan_id IS 'Made with the question: the same answer twice is one plan';
COMMENT ON COLUMN commands.kind IS 'Which kind of command: names the code that judges and sends it';
COMMENT ON COLUMN commands.fields IS 'What that code needs, with the ids that the command bears; emptied when it is over';
COMMENT ON COLUMN commands.subjects IS 'What it is about: request ids, payments, dead letters';
COMMENT ON COLUMN commands.title IS 'What the person agreed to, with number and sum';
COMMENT ON COLUMN commands.owner IS 'Whose it is: partner:‹id›, distributor:‹id›, ops:‹user id›';
COMMENT ON COLUMN commands.again_at IS 'A server was away: not tried before';
COMMENT ON COLUMN commands.outcome IS 'In a sentence, for people';
