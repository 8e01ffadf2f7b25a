-- Write a row at `at_version` for every registration number that is staged and not known, or known and not staged.
CREATE OR REPLACE FUNCTION replace_registrations(at_version bigint)
RETURNS TABLE (kind text, added bigint, changed bigint, removed bigint)
LANGUAGE sql
BEGIN ATOMIC
    WITH latest AS (
        SELECT DISTINCT ON (r.number) r.number, r.removed FROM registrations r ORDER BY r.number, r.from_version DESC
    ), live AS (
        SELECT l.number FROM latest l WHERE NOT l.removed
    ), difference AS (
        SELECT coalesce(s.number, l.number) AS number, s.number IS NULL AS is_gone
        FROM staged_registrations s
        FULL JOIN live l ON l.number = s.number
        WHERE s.number IS NULL OR l.number IS NULL
    ), written AS (
        INSERT INTO registrations (number, from_version, removed)
        SELECT d.number, at_version, d.is_gone FROM difference d
    )
    SELECT 'registration', count(*) FILTER (WHERE NOT d.is_gone), 0::bigint, count(*) FILTER (WHERE d.is_gone)
    FROM difference d;
END;
