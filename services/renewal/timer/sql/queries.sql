-- Statements of services.renewal.timer, by name: `postavka.kernel.store.queries` loads them.

-- name: write
-- Writes what a batch of events says of services; a row with `begins` has another end, and nothing that was told of
-- the former one counts.
INSERT INTO services AS s (request_id, until, known_since, reminded, lapsed)
SELECT request_id, until, known_since, reminded, lapsed
FROM jsonb_to_recordset(%(rows)s::jsonb)
    AS r(request_id uuid, begins boolean, until date, known_since date, reminded int, lapsed boolean)
WHERE begins
ON CONFLICT (request_id) DO UPDATE SET until = excluded.until, known_since = excluded.known_since,
    reminded = excluded.reminded, lapsed = excluded.lapsed, asked_on = NULL;

-- name: go_on
-- Writes what a batch of events says of services whose end stays as it is.
UPDATE services s
SET reminded = coalesce(r.reminded, s.reminded), lapsed = s.lapsed OR r.lapsed
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(request_id uuid, begins boolean, reminded int, lapsed boolean)
WHERE s.request_id = r.request_id AND NOT r.begins;

-- name: candidates
-- Reads services whose end is so near that a step of the ladder may be due, and which were not looked at on this day.
SELECT request_id, until, known_since, reminded
FROM services
WHERE NOT lapsed AND until <= %(horizon)s AND (asked_on IS NULL OR asked_on < %(day)s)
ORDER BY until
LIMIT %(most)s;

-- name: looked_at
-- Notes that these services were looked at on this day, if their end is still the same.
UPDATE services s
SET asked_on = %(day)s
FROM unnest(%(ids)s::uuid[], %(ends)s::date[]) AS r(request_id, until)
WHERE s.request_id = r.request_id AND s.until = r.until;
