-- Every entry as it was at a version. Rows are only added, so the answer for a version never changes.
CREATE OR REPLACE FUNCTION entries_as_of(as_of bigint)
RETURNS TABLE (kind text, key text, body jsonb)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT latest.kind, latest.key, latest.body
    FROM (
        SELECT DISTINCT ON (e.kind, e.key) e.kind, e.key, e.body, e.removed
        FROM entries e
        WHERE e.from_version <= as_of
        ORDER BY e.kind, e.key, e.from_version DESC
    ) AS latest
    WHERE NOT latest.removed;
END;
