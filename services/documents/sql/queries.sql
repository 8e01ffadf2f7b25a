-- Statements of services.documents, by name: `postavka.kernel.store.queries` loads them.

-- name: put_off
-- Reads the documents whose dispatch was put off, the oldest first, for operations.
SELECT d.request_id, d.document_id, d.kind, d.number, d.recipient_id, w.trouble AS why, w.tries
FROM work w
JOIN documents d USING (request_id, document_id)
WHERE w.trouble IS NOT NULL AND d.dispatched_at IS NULL
ORDER BY d.recorded_at, d.document_id
LIMIT %s;

-- name: identify
-- Reads what was issued, rendered, signed or taken as a signature with exactly these bytes.
SELECT request_id, document_id, CASE %(sha256)s WHEN sha256 THEN 'issued' WHEN rendering_sha256 THEN 'pdf' WHEN
    signature_sha256 THEN 'signature' ELSE 'signed' END AS what, CASE WHEN signed_at IS NOT NULL THEN 'signed' WHEN
    dispatched_at IS NOT NULL THEN 'dispatched' ELSE 'issued' END AS state
FROM papers.documents
WHERE sha256 = %(sha256)s OR rendering_sha256 = %(sha256)s OR signed_sha256 = %(sha256)s OR signature_sha256 =
    %(sha256)s
ORDER BY recorded_at;

-- name: cursor
-- Reads how far the exchange operator's feed was read.
SELECT cursor FROM exchange;

-- name: move_cursor
-- Writes how far the exchange operator's feed was read.
UPDATE exchange SET cursor = %s;

-- name: document_of
-- Reads which document a message of the operator is: by what was noted when it was sent, or, if that is lost, by what
-- the log says of its dispatch.
SELECT request_id, document_id, d.trace
FROM work w
LEFT JOIN documents d USING (request_id, document_id)
WHERE w.message = %s AND w.entity = %s UNION
SELECT request_id, document_id, trace
FROM documents
WHERE delivery = 'edo' AND dispatch_id = %s
LIMIT 1;

-- name: add_work
-- Adds the task of a document that has none.
INSERT INTO work (request_id, document_id) VALUES (%s, %s) ON CONFLICT DO NOTHING;

-- name: update_work
-- Writes how far the dispatch of a document has come.
UPDATE work SET {} WHERE request_id = %s AND document_id = %s;

-- name: postal_queue
-- Reads the documents that wait for the post, the oldest first, for the clerk.
SELECT d.request_id, d.document_id, d.kind, d.number, d.issued_on, d.recorded_at, d.rendering_sha256, s.facts
FROM papers.documents d
JOIN papers.sales s USING (request_id)
LEFT JOIN papers.work w USING (request_id, document_id)
WHERE d.delivery = 'post' AND d.dispatched_at IS NULL AND d.rendering_sha256 IS NOT NULL AND s.closed_at IS NULL AND
    w.posted_at IS NULL AND (%(request)s::uuid IS NULL OR d.request_id = %(request)s::uuid)
ORDER BY d.recorded_at, d.document_id;

-- name: posted
-- Writes that the clerk has posted a document.
INSERT INTO papers.work (request_id, document_id, tracking, posted_at, posted_by)
VALUES (%s, %s, %s, now(), %s)
ON CONFLICT (request_id, document_id)
DO UPDATE SET tracking = excluded.tracking, posted_at = excluded.posted_at, posted_by = excluded.posted_by;

-- name: update_documents
-- Writes what later events say of documents.
UPDATE documents d
SET {}
FROM jsonb_populate_recordset(NULL::documents, %s::jsonb) r
WHERE d.request_id = r.request_id AND d.document_id = r.document_id;

-- name: close_sales
-- Writes that sales were closed.
UPDATE sales s
SET closed_at = r.closed_at
FROM jsonb_populate_recordset(NULL::sales, %s::jsonb) r
WHERE s.request_id = r.request_id;

-- name: add_rows
-- Adds rows given as a JSON array; those that are there stay.
INSERT INTO {0} ({1}) SELECT {1} FROM jsonb_populate_recordset(NULL::{0}, %s::jsonb) ON CONFLICT ({2}) DO NOTHING;

-- name: lock
-- Takes the lock by which one worker dispatches; false while another one has it.
SELECT pg_try_advisory_lock(hashtext('postavka.papers'));

-- name: outbox
-- Counts the documents on their way and those put off, with the age of the oldest, for metrics.
SELECT count(*) FILTER (WHERE w.trouble IS NOT NULL), count(*), coalesce(extract(epoch FROM now() -
    min(d.recorded_at)), 0)::float8
FROM documents d
JOIN sales s USING (request_id)
LEFT JOIN work w USING (request_id, document_id)
WHERE d.rendering_sha256 IS NULL OR d.dispatched_at IS NULL AND (d.delivery <> 'post' OR w.posted_at IS NOT NULL)
    AND (s.closed_at IS NULL OR w.message IS NOT NULL);
