-- Statements of services.feed, by name: `postavka.kernel.store.queries` loads them.

-- name: load_requests
-- Reads whose these requests are, for the projection; one that was not submitted yet is left out.
SELECT request_id, partner_id, distributor_id, earlier FROM requests WHERE request_id = ANY(%b);

-- name: load_waiting
-- Reads the events of these requests that wait for another one to be read.
SELECT request_id, topic, partition, "offset", cause_topic, cause_offset, clock, type, event
FROM waiting
WHERE request_id = ANY(%b);

-- name: keep_waiting
-- Writes an event that waits for another one.
INSERT INTO waiting (request_id, topic, partition, "offset", cause_topic, cause_offset, clock, type, event)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING;

-- name: forget_waiting
-- Removes an event that waits no longer.
DELETE FROM waiting WHERE topic = %s AND partition = %s AND "offset" = %s;

-- name: count_up
-- Takes the next numbers of these tenants, and keeps others from taking any until this transaction ends.
INSERT INTO tenants AS t (party, party_id, last)
SELECT * FROM unnest(%b::text[], %b::text[], %b::bigint[]) AS u(party, party_id, taken) ORDER BY 1, 2
ON CONFLICT (party, party_id) DO UPDATE SET last = t.last + excluded.last
RETURNING party, party_id, last;

-- name: add_events
-- Adds events to the feed; a number of 0 is none.
INSERT INTO events (partner_id, partner_number, distributor_id, distributor_number, event)
SELECT partner_id, partner_number, distributor_id, nullif(distributor_number, 0), event
FROM unnest(%b::text[], %b::bigint[], %b::text[], %b::bigint[], %b::text[])
    AS u(partner_id, partner_number, distributor_id, distributor_number, event);

-- name: address
-- Writes that a distributor is told of events that only the partner was told of.
UPDATE events e
SET distributor_id = u.distributor_id, distributor_number = u.distributor_number
FROM unnest(%b::text[], %b::bigint[], %b::text[], %b::bigint[])
    AS u(partner_id, partner_number, distributor_id, distributor_number)
WHERE e.partner_id = u.partner_id AND e.partner_number = u.partner_number;

-- name: keep_request
-- Writes whose a request is, and what of it a distributor will be told.
INSERT INTO requests (request_id, partner_id, distributor_id, earlier)
VALUES (%s, %s, %s, %s)
ON CONFLICT (request_id)
DO UPDATE SET distributor_id = excluded.distributor_id, earlier = excluded.earlier;

-- name: tell
-- Notifies open streams that tenants have something new, when this transaction commits.
SELECT pg_notify(%s, %s);

-- name: page_of_partner
-- Reads the events of a partner behind a number.
SELECT partner_number, event
FROM feed.events
WHERE partner_id = %(tenant)s AND partner_number > %(after)s
ORDER BY partner_number
LIMIT %(most)s;

-- name: page_of_distributor
-- Reads the events of a distributor behind a number.
SELECT distributor_number, event
FROM feed.events
WHERE distributor_id = %(tenant)s AND distributor_number > %(after)s
ORDER BY distributor_number
LIMIT %(most)s;

-- name: end_of_partner
-- Reads the last event of a partner.
SELECT partner_number, event FROM feed.events WHERE partner_id = %(tenant)s ORDER BY partner_number DESC LIMIT 1;

-- name: end_of_distributor
-- Reads the last event of a distributor.
SELECT distributor_number, event
FROM feed.events
WHERE distributor_id = %(tenant)s AND distributor_number IS NOT NULL
ORDER BY distributor_number DESC
LIMIT 1;
