-- Statements of services.notices, by name: `postavka.kernel.store.queries` loads them.

-- name: switched_off
-- Reads which categories these addresses have switched off.
SELECT recipient, kind FROM preferences WHERE recipient = ANY(%s);

-- name: letters_beginning
-- Reads the ids of e-mails within these bounds, for a person who has typed the beginning of one; nine are too many.
SELECT id FROM notices.mail WHERE id BETWEEN %s AND %s ORDER BY id LIMIT 9;

-- name: send_again
-- Makes an e-mail that has failed due again (without an id: all that have failed); one without an address stays.
UPDATE mail SET status = 'due', next_at = now(), made_at = now() WHERE recipient IS NOT NULL AND CASE WHEN
%(id)s::uuid IS NULL THEN status = 'failed' ELSE id = %(id)s AND status = ANY(%(again)s) END;

-- name: preferences
-- Reads which categories one address has switched off, for its page.
SELECT kind FROM preferences WHERE recipient = %s;

-- name: switch_on
-- Removes that a category is switched off.
DELETE FROM preferences WHERE recipient = %s AND kind = %s;

-- name: switch_off
-- Adds that a category is switched off, and by whom.
INSERT INTO preferences (recipient, kind, changed_by) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING;

-- name: vacuum
-- Cleans the tables of what an earlier release has kept in the clear.
VACUUM notices.mail, notices.preferences;

-- name: recipients
-- Reads all addresses that have switched something off.
SELECT DISTINCT recipient FROM preferences;

-- name: copy_preferences
-- Adds the preferences of one address under its key.
INSERT INTO preferences
SELECT %s, kind, changed_at, changed_by
FROM preferences
WHERE recipient = %s
ON CONFLICT DO NOTHING;

-- name: forget_preferences
-- Removes the preferences of one address.
DELETE FROM preferences WHERE recipient = %s;

-- name: recipients_of
-- Reads the recipients of e-mails by Message-ID.
SELECT message_id, recipient FROM notices.mail WHERE message_id = ANY(%s);

-- name: lock
-- Waits for the lock by which one process sends e-mail.
SELECT pg_advisory_lock(hashtext('sender of notices'));

-- name: due_again
-- Makes due, as perhaps sent already, what was being sent when the sender before this one ended.
UPDATE mail SET status = 'due', unsure = true, next_at = now() WHERE status = 'sending';

-- name: give_back
-- Makes an e-mail due again that was not sent, with the server's answer.
UPDATE mail SET status = 'due', said = %s WHERE id = %s;

-- name: measure
-- Counts e-mails due and failed, with the age of the oldest, for metrics.
SELECT (SELECT count(*) FROM mail WHERE status IN ('due', 'sending')), (SELECT count(*) FROM mail WHERE status IN
('failed', 'no-address')), (SELECT extract(epoch FROM now() - min(made_at)) FROM mail WHERE status IN ('due',
'sending'));

-- name: notices_sent
-- Reads which of these notices were published before.
SELECT value FROM claims WHERE kind = %s AND value = ANY(%s);

-- name: versions
-- Reads the last version of each subject's notices.
SELECT originator_id, max(originator_version) FROM stored_events WHERE originator_id = ANY(%s) GROUP BY 1;

-- name: letters
-- Reads one page of e-mails, the newest first, by what people look for: the requests that a search finds, or a party.
SELECT id, request_id, kind, party, party_id, recipient, recipient_name, message_id, subject, cause, happened_at, made_at,
    status, tries, next_at, sent_at, unsure, said
FROM notices.mail
WHERE {} AND (%(after_at)s::timestamptz IS NULL
    OR made_at <= %(after_at)s AND (made_at < %(after_at)s OR id > %(after_id)s))
ORDER BY made_at DESC, id
LIMIT %(size)s;

-- name: letters_found
-- Counts the e-mails that people look for.
SELECT count(*) AS letters FROM notices.mail WHERE {};

-- name: requests_found
-- Reads the ids of the requests that a search finds, for their e-mails; null if they are too many.
SELECT cabinet.requests_found(%(words)s, %(least_id)s, %(greatest_id)s, %(most)s) AS ids;

-- name: counts
-- Counts e-mails by status, for the page of operations.
SELECT status, count(*) AS letters FROM notices.mail GROUP BY status;

-- name: add_checkpoints
-- Adds the checkpoint, at -1, of every named input partition that has none.
INSERT INTO notification_tracking (application_name, notification_id)
SELECT name, -1
FROM unnest(%s::text[]) AS name
ON CONFLICT DO NOTHING;

-- name: checkpoints
-- Reads the checkpoints of the named input partitions.
SELECT application_name, notification_id, position FROM notification_tracking WHERE application_name = ANY(%s);

-- name: load_requests
-- Reads what the rules remember of these requests.
SELECT request_id, story::text FROM stories WHERE request_id = ANY(%s);

-- name: load_answers
-- Reads which record each of these answers of distributors lies in.
SELECT distributor_id, request_id, confirmation_id, record
FROM answers
JOIN unnest(%s::text[], %s::uuid[], %s::text[]) AS w(distributor_id, request_id, confirmation_id) USING
    (distributor_id, request_id, confirmation_id);

-- name: keep_requests
-- Writes what the rules remember of requests.
INSERT INTO stories (request_id, story)
SELECT *
FROM unnest(%b::uuid[], %b::text[]::jsonb[])
ON CONFLICT (request_id)
DO UPDATE SET story = excluded.story;

-- name: keep_answers
-- Adds which record an answer of a distributor lies in.
INSERT INTO answers (distributor_id, request_id, confirmation_id, record)
SELECT *
FROM unnest(%b::text[], %b::uuid[], %b::text[], %b::text[])
ON CONFLICT DO NOTHING;

-- name: forget_answer
-- Removes an answer whose record became a dead letter.
DELETE FROM answers WHERE distributor_id = %s AND record = %s;

-- name: record_of
-- Reads which record the first of equal answers lies in.
SELECT record FROM answers WHERE distributor_id = %s AND request_id = %s AND confirmation_id = %s;

-- name: reached
-- Reads all checkpoints, for a rebuild.
SELECT application_name, notification_id, position FROM notification_tracking;
