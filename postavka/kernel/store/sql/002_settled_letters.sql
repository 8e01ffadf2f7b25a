-- A dead letter can end in three ways: taken at a later try (done), put right by a new record (corrected), or given up
-- with a written reason (discarded).
ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_status_check;
ALTER TABLE dead_letters ADD CONSTRAINT dead_letters_status_check
    CHECK (status IN ('open', 'retry', 'done', 'corrected', 'discarded'));
CREATE INDEX dead_letters_open ON dead_letters (code, id) WHERE status IN ('open', 'retry');
