-- What the log is told of a plan, and of its end: whoever follows this table reads it.
ALTER TABLE commands ADD COLUMN announced jsonb, ADD COLUMN not_sent jsonb, ADD COLUMN finished_by text;
COMMENT ON COLUMN commands.announced IS 'What the log is told of: ids and days alone; stays when it is over. Null: nothing';
COMMENT ON COLUMN commands.not_sent IS 'Of what was announced, by its id, what could not be sent, and why';
COMMENT ON COLUMN commands.finished_by IS 'Who has undone it';
CREATE INDEX commands_announced ON commands (plan_id) WHERE announced IS NOT NULL;
