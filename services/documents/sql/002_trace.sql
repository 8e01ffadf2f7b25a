ALTER TABLE documents ADD COLUMN trace text;
COMMENT ON COLUMN documents.trace IS 'W3C traceparent of DocumentIssued: reports made later, perhaps by a sweep, go on in that trace';
