-- Statements of services.ops, by name: `postavka.kernel.store.queries` loads them.

-- name: relay_delay
-- Events not relayed yet, by the checkpoint, which is up to a second old; None for what has no event store.
SELECT (SELECT position FROM {0}.head) - (SELECT position FROM {0}.relay);

-- name: marks
-- Reads what `marks` needs.
SELECT {}, {} FROM {}.{};

-- name: consumers_there
-- Reads what `consumers_there` needs.
SELECT to_regclass(%s);

-- name: correct_delete_proposals
-- Put a letter right: this key (None: the letter's own) and value go to the letter's topic, with its headers, as a
-- new record. True: it is on its way; False: it waits until a second person agrees. `by_one`: an installation with
DELETE FROM proposals WHERE stage = %s AND letter = %s;

-- name: correct_insert_proposals
-- Put a letter right: this key (None: the letter's own) and value go to the letter's topic, with its headers, as a
-- new record. True: it is on its way; False: it waits until a second person agrees. `by_one`: an installation with
INSERT INTO proposals (stage, letter, key, value, reason, proposed_by) VALUES (%s, %s, %s, %s, %s, %s);

-- name: agree
-- Takes a proposal off the list when its correction is on its way.
DELETE FROM proposals WHERE id = %s;

-- name: proposal_of
-- Is the table of proposals there?
SELECT to_regclass('ops.proposals');

-- name: proposal
-- Reads proposals, for `proposal`.
SELECT id, stage, letter, key, value, reason, proposed_by, proposed_at
FROM proposals
WHERE stage = %s AND letter = %s;

-- name: send_read_dead_letters
-- The letter is done, and its correction in the outbox, with who made it and who agreed.
SELECT headers FROM {}.dead_letters WHERE id = %s;

-- name: send_insert_corrections
-- The letter is done, and its correction in the outbox, with who made it and who agreed.
INSERT INTO corrections (stage, letter, topic, key, value, headers) VALUES (%s, %s, %s, %s, %s, %s);

-- name: unsent_corrections
-- Corrected records that are not on their topic yet.
SELECT id, topic, key, value, headers FROM ops.corrections WHERE sent_at IS NULL ORDER BY id LIMIT %s;

-- name: corrections_sent
-- The broker has them.
UPDATE ops.corrections SET sent_at = now() WHERE id = ANY(%s);

-- name: groups
-- All groups with something open first, then by the newest.
SELECT code, count(*) FILTER (WHERE status = 'open'), count(*) FILTER (WHERE status = 'retry'), count(*) FILTER
(WHERE status NOT IN ('open', 'retry')), min(received_at), max(received_at) FROM {}.dead_letters GROUP BY code;

-- name: open_by_stage
-- How many nobody has settled yet, of every stage whose schema is there.
SELECT count(*) FROM {}.dead_letters WHERE status IN ('open', 'retry');

-- name: tally
-- Of one stage.
SELECT count(*) FILTER (WHERE status = 'open'), count(*) FILTER (WHERE status = 'retry'), count(*) FILTER (WHERE
status = 'done') FROM {}.dead_letters;

-- name: foresee_read
-- What `retry` or `discard` with the same arguments would act on. Changes nothing.
SELECT code, count(*)
FROM (SELECT code FROM {0}.dead_letters WHERE {1} ORDER BY id LIMIT {2}) AS fit
GROUP BY code
ORDER BY count(*) DESC, code;

-- name: foresee_read_dead_letters
-- What `retry` or `discard` with the same arguments would act on. Changes nothing.
SELECT count(*) FROM {}.dead_letters WHERE {};

-- name: mark
-- Give letters another status; returns where they lie.
UPDATE {0}.dead_letters
SET status = %s
WHERE id IN (SELECT id FROM {0}.dead_letters WHERE {1} ORDER BY id LIMIT {2} FOR UPDATE)
RETURNING id, topic, partition, "offset", code, sha256, subject;

-- name: stages
-- Stages whose schema is there.
SELECT s FROM unnest(%s::text[]) AS s WHERE to_regclass(s || '.dead_letters') IS NOT NULL;

-- name: dead_letters_select
-- Reads dead letters, for `dead_letters_select`.
SELECT id, topic, partition, "offset", code, reason, subject, received_at, status, tries, sha256, key, value,
    headers
FROM {}.dead_letters
WHERE {}
ORDER BY id DESC
LIMIT %s;

-- name: history_select
-- Reads stored events, for `history_select`.
SELECT notification_id, originator_id, originator_version, topic, recorded_at, clock, causation, correlation, input,
    trace, state
FROM {}.stored_events
WHERE {};

-- name: history_there
-- Reads unnest, for `history_there`.
SELECT s FROM unnest(%s::text[]) AS s WHERE to_regclass(s || '.stored_events') IS NOT NULL;

-- name: head
-- Reads head, for `head`.
SELECT position FROM {}.head;

-- name: position_at
-- The first position recorded after a moment: positions follow the order of commit, so times nearly do as well.
SELECT recorded_at FROM {}.stored_events WHERE notification_id = %s;

-- name: letters_about
-- E-mail about a request: (when sent or made, subject, status); nothing where the notices were never here.
-- `reveal` makes readable what is encrypted.
SELECT coalesce(sent_at, made_at), subject, status FROM notices.mail WHERE request_id = %s ORDER BY made_at;

-- name: put_aside
-- Dead letters of a request, settled ones as well: (when, stage, number, code, tries, status).
SELECT received_at, {}, id, code, tries, status FROM {}.dead_letters WHERE subject = %s;

-- name: is_there
-- Reads what `is_there` needs.
SELECT to_regclass(%s);

-- name: look_up
-- Reads requests, for `look_up`.
SELECT request_id::text, coalesce(partner_id, ''), coalesce(distributor_id, '')
FROM cabinet.requests
WHERE request_id = ANY(%s::uuid[]);

-- name: limits
-- Reads unnest, for `limits`.
SELECT * FROM unnest(%s::text[], %s::float8[]) AS l(waits_for, seconds);

-- name: queues
-- Every kind of waiting, also those where nothing waits.
WITH waiting AS ({query}), limits AS ({limits})
SELECT waits_for, count(*), count(*) FILTER (WHERE {overdue}), extract(epoch FROM now() - min(since))::float8,
    (array_agg(request_id ORDER BY since))[1]
FROM waiting
JOIN limits AS l USING (waits_for)
GROUP BY waits_for;

-- name: waiting
-- Those that have waited longest.
WITH waiting AS ({query}), limits AS ({limits})
SELECT waits_for, request_id, partner_id, distributor_id, since, extract(epoch FROM now() - since)::float8 AS
    seconds, {overdue}, document
FROM waiting
JOIN limits AS l USING (waits_for)
WHERE (%s::text IS NULL OR waits_for = %s) AND (NOT %s OR {overdue}) AND (%s::uuid IS NULL OR request_id = %s)
ORDER BY since, request_id
LIMIT %s;

-- name: note_day
-- Remember the worst of today (Moscow) for the trend.
INSERT INTO ops.waiting_by_day AS w
SELECT (now() AT TIME ZONE 'Europe/Moscow')::date, *
FROM unnest(%s::text[], %s::int[], %s::int[], %s::float8[]) AS u(waits_for, waiting, overdue, oldest)
ON CONFLICT (day, waits_for)
DO UPDATE SET waiting = greatest(w.waiting, excluded.waiting), overdue = greatest(w.overdue, excluded.overdue),
    oldest_seconds = greatest(w.oldest_seconds, excluded.oldest_seconds);

-- name: remind
-- When somebody was last reminded of the same waiting, if that was within so many hours.
SELECT recorded_at
FROM stored_events
WHERE originator_id = %s AND topic = %s AND recorded_at > now() - make_interval(hours => %s) AND convert_from(state,
    'UTF8')::jsonb ->> 'waits_for' = %s
LIMIT 1;

-- name: acting
-- One act by hand at a time in this schema.
SELECT position FROM head FOR UPDATE;

-- name: record
-- Write events about these subjects; the third of each is its cause: a record's coordinates, if there is one.
SELECT originator_id, max(originator_version)
FROM stored_events
WHERE originator_id = ANY(%s)
GROUP BY originator_id;
