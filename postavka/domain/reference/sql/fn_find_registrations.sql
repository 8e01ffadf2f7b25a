-- The known ones among `numbers`, each with the contract that is valid on `today`, or was last valid before (L19).
-- Of several valid ones the one that lasts longest; one that begins later counts for nothing yet.
CREATE OR REPLACE FUNCTION find_registrations(numbers text[], today date)
RETURNS TABLE (registration text, contract text, valid_from date, valid_until date)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT asked.number, found.number, found.valid_from, found.valid_until
    FROM (SELECT DISTINCT unnest(numbers) AS number) AS asked
    CROSS JOIN LATERAL (
        SELECT r.removed FROM registrations r
        WHERE r.number = asked.number COLLATE "C"
        ORDER BY r.from_version DESC LIMIT 1
    ) AS known
    LEFT JOIN LATERAL (
        SELECT latest.number, latest.valid_from, latest.valid_until
        FROM (
            SELECT DISTINCT ON (c.number) c.number, c.valid_from, c.valid_until, c.removed
            FROM contracts c
            WHERE c.registration = asked.number COLLATE "C"
            ORDER BY c.number, c.from_version DESC
        ) AS latest
        WHERE NOT latest.removed AND latest.valid_from <= today
        ORDER BY latest.valid_until DESC, latest.valid_from DESC, latest.number
        LIMIT 1
    ) AS found ON true
    WHERE NOT known.removed;
END;
