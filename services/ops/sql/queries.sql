-- Statements of services.ops, by name: `postavka.kernel.store.queries` loads them.

-- name: relay_delay
-- Counts events not published yet, by the relay's checkpoint, which is up to a second old.
SELECT (SELECT position FROM {0}.head) - (SELECT position FROM {0}.relay);

-- name: checkpoints
-- Reads a reader's checkpoints, whatever its table and columns are called.
SELECT {}, {} FROM {}.{};

-- name: table_there
-- Looks whether a table is there.
SELECT to_regclass(%s);

-- name: forget_proposals
-- Removes the proposals for a dead letter.
DELETE FROM proposals WHERE stage = %s AND letter = %s;

-- name: add_proposal
-- Adds a proposed correction, for a second person to agree to.
INSERT INTO proposals (stage, letter, key, value, type, reason, proposed_by) VALUES (%s, %s, %s, %s, %s, %s, %s);

-- name: forget_proposal
-- Removes a proposal when its correction is on its way.
DELETE FROM proposals WHERE id = %s;

-- name: proposals_there
-- Looks whether the table of proposals is there.
SELECT to_regclass('ops.proposals');

-- name: proposal
-- Reads the correction that is proposed for a dead letter.
SELECT id, stage, letter, key, value, type, reason, proposed_by, proposed_at
FROM proposals
WHERE stage = %s AND letter = %s;

-- name: headers_of
-- Reads the headers of a dead letter, which its correction keeps.
SELECT headers FROM {}.dead_letters WHERE id = %s;

-- name: add_correction
-- Adds a corrected record to be sent.
INSERT INTO corrections (stage, letter, topic, key, value, headers) VALUES (%s, %s, %s, %s, %s, %s);

-- name: unsent_corrections
-- Reads the corrected records that are not on their topic yet.
SELECT id, topic, key, value, headers FROM ops.corrections WHERE sent_at IS NULL ORDER BY id LIMIT %s;

-- name: corrections_sent
-- Marks the corrected records that the broker has.
UPDATE ops.corrections SET sent_at = now() WHERE id = ANY(%s);

-- name: groups
-- Counts a stage's dead letters by code, groups with something open first, then by the newest.
SELECT code, count(*) FILTER (WHERE status = 'open'), count(*) FILTER (WHERE status = 'retry'), count(*) FILTER
(WHERE status NOT IN ('open', 'retry')), min(received_at), max(received_at) FROM {}.dead_letters GROUP BY code;

-- name: count_open
-- Counts a stage's dead letters that nobody has settled yet.
SELECT count(*) FROM {}.dead_letters WHERE status IN ('open', 'retry');

-- name: tally
-- Counts a stage's dead letters by status, for metrics.
SELECT count(*) FILTER (WHERE status = 'open'), count(*) FILTER (WHERE status = 'retry'), count(*) FILTER (WHERE
status = 'done') FROM {}.dead_letters;

-- name: count_by_code
-- Counts by code what a retry or a discard with the same arguments would act on.
SELECT code, count(*)
FROM (SELECT code FROM {0}.dead_letters WHERE {1} ORDER BY id LIMIT {2}) AS fit
GROUP BY code
ORDER BY count(*) DESC, code;

-- name: count_that_fit
-- Counts the dead letters that a filter finds.
SELECT count(*) FROM {}.dead_letters WHERE {};

-- name: open_numbers
-- Reads the numbers of the letters that an act on a reason code would be about.
SELECT id FROM {0}.dead_letters WHERE {1} ORDER BY id LIMIT {2};

-- name: mark
-- Writes the status of dead letters; gives where they lie.
UPDATE {0}.dead_letters
SET status = %s
WHERE id IN (SELECT id FROM {0}.dead_letters WHERE {1} ORDER BY id LIMIT {2} FOR UPDATE)
RETURNING id, topic, partition, "offset", code, sha256, subject;

-- name: stages_with_dead_letters
-- Reads which stages have a table of dead letters.
SELECT s FROM unnest(%s::text[]) AS s WHERE to_regclass(s || '.dead_letters') IS NOT NULL;

-- name: dead_letters
-- Reads the dead letters that a filter finds, the newest first.
SELECT id, topic, partition, "offset", code, reason, subject, received_at, status, tries, sha256, key, value,
    headers
FROM {}.dead_letters
WHERE {}
ORDER BY id DESC
LIMIT %s;

-- name: events
-- Reads a store's events that a filter finds.
SELECT notification_id, originator_id, originator_version, topic, recorded_at, clock, causation, correlation, input,
    trace, state
FROM {}.stored_events
WHERE {};

-- name: stages_there
-- Reads which stages have a store.
SELECT s FROM unnest(%s::text[]) AS s WHERE to_regclass(s || '.stored_events') IS NOT NULL;

-- name: head
-- Reads the last position given out in a store.
SELECT position FROM {}.head;

-- name: recorded_at_many
-- Reads when the events at these positions were recorded. Positions follow the order of commit, so times nearly do as well.
SELECT notification_id, recorded_at FROM {}.stored_events WHERE notification_id = ANY(%s);

-- name: newest_with_cause
-- Reads those of a stage's newest events, from a position on, that another event has led to: for the times a stage takes.
SELECT originator_id, recorded_at, causation
FROM (SELECT originator_id, recorded_at, causation
    FROM {}.stored_events
    WHERE notification_id >= %s
    ORDER BY notification_id DESC
    LIMIT %s) AS newest
WHERE causation LIKE '/postavka/%%';

-- name: recorded_at_of
-- Reads when these events, given by subject and version, were recorded.
SELECT e.originator_id, e.originator_version, e.recorded_at
FROM unnest(%s::uuid[], %s::bigint[]) AS wanted(subject, version)
JOIN {}.stored_events AS e ON e.originator_id = wanted.subject AND e.originator_version = wanted.version;

-- name: count_unchecked
-- Counts the clients that nobody has checked yet, of requests that have not ended.
SELECT count(*)
FROM cabinet.unchecked_clients AS u
JOIN cabinet.requests AS r USING (request_id)
WHERE u.checked_at IS NULL AND r.status NOT IN ('withdrawn', 'rejected', 'declined');

-- name: count_money
-- Counts what the accountants have to decide: payments, returns and odd documents that fit nothing; refunds.
SELECT (SELECT count(*) FROM payments.unmatched_payments) + (SELECT count(*) FROM payments.unmatched_returns) + (SELECT
    count(*) FROM payments.waiting_documents), (SELECT count(*) FROM payments.to_return);

-- name: count_post
-- Counts the requests whose documents wait for the postal clerk, and the documents whose dispatch was put off.
SELECT (SELECT count(DISTINCT d.request_id)
    FROM papers.documents AS d
    JOIN papers.sales AS s USING (request_id)
    LEFT JOIN papers.work AS w USING (request_id, document_id)
    WHERE d.delivery = 'post' AND d.dispatched_at IS NULL AND d.rendering_sha256 IS NOT NULL AND s.closed_at IS NULL AND
        w.posted_at IS NULL), (SELECT count(*)
    FROM papers.work AS w
    JOIN papers.documents AS d USING (request_id, document_id)
    WHERE w.trouble IS NOT NULL AND d.dispatched_at IS NULL);

-- name: count_lapsed
-- Counts the services that ended between two days and that nothing is to prolong.
SELECT count(*) FROM cabinet.requests r WHERE {} AND r.renewal ->> 'service_until' BETWEEN %(since)s AND %(until)s;

-- name: count_failed_mail
-- Counts the e-mails that were given up.
SELECT count(*) FROM notices.mail WHERE status = 'failed';

-- name: emails_about
-- Reads the e-mails about a request: (when sent or made, subject, status).
SELECT coalesce(sent_at, made_at), subject, status FROM notices.mail WHERE request_id = %s ORDER BY made_at;

-- name: dead_letters_about
-- Reads the dead letters of a request, settled ones as well: (when, stage, number, code, tries, status).
SELECT received_at, {}, id, code, tries, status FROM {}.dead_letters WHERE subject = %s;

-- name: requests_of
-- Reads whose these requests are and what they are called, for the live feed and the past below it.
SELECT request_id::text, coalesce(partner_id, ''), coalesce(distributor_id, ''), coalesce(number, '')
FROM cabinet.requests
WHERE request_id = ANY(%s::uuid[]);

-- name: limits
-- Gives the limits of waiting as rows, to be joined with what waits.
SELECT * FROM unnest(%s::text[], %s::float8[]) AS l(waits_for, seconds);

-- name: queues
-- Reads every queue with what waits in it and for how long, also those where nothing waits.
WITH waiting AS ({query}), limits AS ({limits})
SELECT waits_for, count(*), count(*) FILTER (WHERE {overdue}), extract(epoch FROM now() - min(since))::float8,
    (array_agg(request_id ORDER BY since))[1]
FROM waiting
JOIN limits AS l USING (waits_for)
GROUP BY waits_for;

-- name: waiting
-- Reads the requests of a queue that have waited longest.
WITH waiting AS ({query}), limits AS ({limits})
SELECT waits_for, request_id, partner_id, distributor_id, since, extract(epoch FROM now() - since)::float8 AS
    seconds, {overdue}, document, number
FROM waiting
JOIN limits AS l USING (waits_for)
WHERE (%s::text IS NULL OR waits_for = %s) AND (NOT %s OR {overdue}) AND (%s::uuid IS NULL OR request_id = %s)
ORDER BY since, request_id, document
LIMIT %s OFFSET %s;

-- name: note_day
-- Writes the worst of today (Moscow), for the trend.
INSERT INTO ops.waiting_by_day AS w
SELECT (now() AT TIME ZONE 'Europe/Moscow')::date, *
FROM unnest(%s::text[], %s::int[], %s::int[], %s::float8[]) AS u(waits_for, waiting, overdue, oldest)
ON CONFLICT (day, waits_for)
DO UPDATE SET waiting = greatest(w.waiting, excluded.waiting), overdue = greatest(w.overdue, excluded.overdue),
    oldest_seconds = greatest(w.oldest_seconds, excluded.oldest_seconds);

-- name: last_reminder
-- Reads when somebody was last reminded of the same waiting, if that was within so many hours.
SELECT recorded_at
FROM stored_events
WHERE originator_id = %s AND topic = %s AND recorded_at > now() - make_interval(hours => %s) AND convert_from(state,
    'UTF8')::jsonb ->> 'waits_for' = %s
LIMIT 1;

-- name: lock
-- Lets one act by hand at a time be recorded; gives the last position.
SELECT position FROM head FOR UPDATE;

-- name: versions
-- Reads the last version of each subject's events.
SELECT originator_id, max(originator_version)
FROM stored_events
WHERE originator_id = ANY(%s)
GROUP BY originator_id;

-- name: names_request
-- Tells whether a dead letter is about a request or its record names it: a part of a condition. Larger bodies than anybody sends who
-- names a request are not looked through.
subject = %s OR
    EXISTS (SELECT FROM unnest(%s::text[]) AS id WHERE strpos(lower(encode(key, 'escape')), id) > 0) OR
    (octet_length(value) <= 100000 AND
        EXISTS (SELECT FROM unnest(%s::text[]) AS id WHERE strpos(lower(encode(value, 'escape')), id) > 0)) OR
    EXISTS (SELECT FROM unnest(%s::text[]) AS id WHERE strpos(headers::text, id) > 0);

-- name: where
-- Tells which of these bodies a person's jsonpath fits, by their numbers: a predicate holds, or something is found.
SELECT number
FROM unnest(%(bodies)s::text[]) WITH ORDINALITY AS b(body, number)
WHERE body IS NOT NULL AND coalesce(jsonb_path_match(body::jsonb, %(where)s::jsonpath, '{}', true),
    jsonb_path_exists(body::jsonb, %(where)s::jsonpath, '{}', true))
ORDER BY number;
