-- The group of stage `renewal`: how long the service runs.
ALTER TABLE requests ADD COLUMN renewal jsonb;
