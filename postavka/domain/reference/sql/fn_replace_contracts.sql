-- Write a row at `at_version` for every contract in which the staged content differs from the newest; count them.
CREATE OR REPLACE FUNCTION replace_contracts(at_version bigint)
RETURNS TABLE (kind text, added bigint, changed bigint, removed bigint)
LANGUAGE sql
BEGIN ATOMIC
    WITH latest AS (
        SELECT DISTINCT ON (c.registration, c.number)
            c.registration, c.number, c.removed, c.valid_from, c.valid_until
        FROM contracts c
        ORDER BY c.registration, c.number, c.from_version DESC
    ), live AS (
        SELECT l.registration, l.number, l.valid_from, l.valid_until FROM latest l WHERE NOT l.removed
    ), difference AS (
        SELECT coalesce(s.registration, l.registration) AS registration, coalesce(s.number, l.number) AS number,
            s.valid_from, s.valid_until, l.number IS NULL AS is_new, s.number IS NULL AS is_gone
        FROM staged_contracts s
        FULL JOIN live l ON l.registration = s.registration AND l.number = s.number
        WHERE (s.valid_from, s.valid_until) IS DISTINCT FROM (l.valid_from, l.valid_until)
    ), written AS (
        INSERT INTO contracts (registration, number, from_version, removed, valid_from, valid_until)
        SELECT d.registration, d.number, at_version, d.is_gone, d.valid_from, d.valid_until FROM difference d
    )
    SELECT 'contract',
        count(*) FILTER (WHERE d.is_new),
        count(*) FILTER (WHERE NOT d.is_new AND NOT d.is_gone),
        count(*) FILTER (WHERE d.is_gone)
    FROM difference d;
END;
