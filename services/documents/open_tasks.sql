-- Documents with something to do now, oldest first: no rendering on record, or not on their way and a step is due.
-- Paper that waits for the clerk, and documents of closed requests that have not left, have nothing to do.
SELECT d.request_id, d.document_id, d.kind, d.number, d.issued_on, d.issued_at, d.delivery, d.form, d.sha256,
    d.rendering_sha256, d.dispatched_at, s.facts, s.closed_at IS NOT NULL AS closed,
    i.amount AS invoiced, i.vat_rate AS invoiced_vat_rate,
    w.rendering_sha256 AS made_sha256, w.rendering_reported_at, w.seal_sha256, w.message, w.entity,
    w.tracking, w.posted_at, w.dispatch_reported_at, coalesce(w.tries, 0) AS tries, d.trace
FROM documents d
JOIN sales s USING (request_id)
LEFT JOIN invoices i USING (request_id)
LEFT JOIN work w USING (request_id, document_id)
WHERE (d.dispatched_at IS NULL OR d.rendering_sha256 IS NULL)
    AND (w.not_before IS NULL OR w.not_before <= now())
    AND CASE
        WHEN d.rendering_sha256 IS NULL THEN
            w.rendering_sha256 IS NULL
            OR w.rendering_reported_at IS NULL
            OR w.rendering_reported_at < now() - %(repeat)s
        WHEN d.delivery = 'post' THEN
            w.posted_at IS NOT NULL
            AND (w.dispatch_reported_at IS NULL OR w.dispatch_reported_at < now() - %(repeat)s)
        ELSE
            (w.message IS NULL AND s.closed_at IS NULL)
            OR (w.message IS NOT NULL
                AND (w.dispatch_reported_at IS NULL OR w.dispatch_reported_at < now() - %(repeat)s))
    END
ORDER BY d.recorded_at
LIMIT %(most)s
