-- Verifications that were asked for on the auditor's pages or made by the command, with their outcome. One at a time is at
-- work in the auditor's service.

CREATE TABLE verifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0,
    finished_at timestamptz,
    report jsonb,
    failed text
);
CREATE UNIQUE INDEX one_verification_at_a_time ON verifications ((finished_at IS NULL)) WHERE finished_at IS NULL;
COMMENT ON COLUMN verifications.report IS 'As `postavka audit verify --json` prints it, with the first findings of each kind';
COMMENT ON COLUMN verifications.failed IS 'Why it could not be done';
