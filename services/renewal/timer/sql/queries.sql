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

-- name: carry
-- Keeps commands to be sent; one that is there already was, or will be.
INSERT INTO carried (request_id, told_by, type, body)
SELECT request_id, told_by, type, body
FROM jsonb_to_recordset(%s::jsonb) AS r(request_id uuid, told_by uuid, type text, body jsonb)
ON CONFLICT DO NOTHING;

-- name: carry_plans
-- Keeps what is to be told of renewals that wait with other planned commands: that they were planned, and that they will
-- not be sent, because somebody has undone it or they could not be.
INSERT INTO carried (request_id, told_by, type, body)
SELECT (a ->> 'renews')::uuid, (a ->> 'request_id')::uuid, t.type, t.body || jsonb_build_object(
    'request_id', a ->> 'renews', 'renewal_id', a ->> 'request_id')
FROM planned.commands c, jsonb_array_elements(c.announced) a, LATERAL (
    VALUES (%(scheduled)s, true, jsonb_build_object('day', a ->> 'day', 'planned_by', c.actor)),
        (%(cancelled)s, c.state = 'undone', jsonb_build_object('cancelled_by', c.finished_by)),
        (%(cancelled)s, c.state = 'refused' OR c.not_sent ? (a ->> 'request_id'),
            jsonb_build_object('reason', coalesce(c.not_sent ->> (a ->> 'request_id'), c.outcome)))
) t (type, happened, body)
WHERE c.announced IS NOT NULL AND t.happened
ON CONFLICT DO NOTHING;

-- name: unsent
-- Reads commands that were not sent; of one service, that a renewal was planned before that it was cancelled.
SELECT request_id, told_by, type, body::text FROM carried WHERE NOT sent ORDER BY request_id, type DESC LIMIT %s;

-- name: mark_sent
-- Notes that these commands were sent.
UPDATE carried c
SET sent = true
FROM unnest(%s::uuid[], %s::uuid[], %s::text[]) AS r(request_id, told_by, type)
WHERE (c.request_id, c.told_by, c.type) = (r.request_id, r.told_by, r.type);
