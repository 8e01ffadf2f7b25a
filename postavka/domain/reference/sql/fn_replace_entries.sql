-- Write a row at `at_version` for every entry in which the staged content differs from the newest; count them by kind.
CREATE OR REPLACE FUNCTION replace_entries(at_version bigint)
RETURNS TABLE (kind text, added bigint, changed bigint, removed bigint)
LANGUAGE sql
BEGIN ATOMIC
    WITH live AS (
        SELECT e.kind, e.key, e.body FROM entries_as_of(at_version - 1) AS e
    ), difference AS (
        SELECT coalesce(s.kind, l.kind) AS kind, coalesce(s.key, l.key) AS key, s.body,
            l.key IS NULL AS is_new, s.key IS NULL AS is_gone
        FROM staged_entries s
        FULL JOIN live l ON l.kind = s.kind AND l.key = s.key
        WHERE s.body IS DISTINCT FROM l.body
    ), written AS (
        INSERT INTO entries (kind, key, from_version, removed, body)
        SELECT d.kind, d.key, at_version, d.is_gone, d.body FROM difference d
    )
    SELECT d.kind,
        count(*) FILTER (WHERE d.is_new),
        count(*) FILTER (WHERE NOT d.is_new AND NOT d.is_gone),
        count(*) FILTER (WHERE d.is_gone)
    FROM difference d
    GROUP BY d.kind;
END;
