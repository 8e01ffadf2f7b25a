-- Pictures of documents that somebody has looked at, made once. A document never changes, and neither does its picture. One
-- that is removed is made again.
CREATE TABLE previews (
    pdf_sha256 text PRIMARY KEY,
    picture bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE previews ALTER COLUMN picture SET STORAGE EXTERNAL;
CREATE INDEX previews_by_time ON previews (made_at);
COMMENT ON COLUMN previews.picture IS 'PNG, the pages under one another; it is compressed already';
