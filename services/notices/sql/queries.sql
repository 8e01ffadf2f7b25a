-- Statements of services.notices, by name: `postavka.kernel.store.queries` loads them.

-- name: switched_off
-- Address and kind of what its reader doesn't want.
SELECT recipient, kind FROM preferences WHERE recipient = ANY(%s);

-- name: send_again
-- Let a letter that has failed be tried again from the beginning (None: all that have failed); one without an
-- address must get one first: in the reference data, for letters to come.
UPDATE mail SET status = 'due', next_at = now(), made_at = now() WHERE recipient IS NOT NULL AND CASE WHEN
%(id)s::uuid IS NULL THEN status = 'failed' ELSE id = %(id)s AND status = ANY(%(again)s) END;

-- name: preferences
-- Every kind → does this person get it?.
SELECT kind FROM preferences WHERE recipient = %s;

-- name: switch_delete_preferences
-- Switch a kind on or off for a person.
DELETE FROM preferences WHERE recipient = %s AND kind = %s;

-- name: switch_insert_preferences
-- Switch a kind on or off for a person.
INSERT INTO preferences (recipient, kind, changed_by) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING;

-- name: protect_older
-- Encrypt what a release before this one has kept in the clear; returns how many rows.
VACUUM notices.mail, notices.preferences;

-- name: protect_preferences_read_preferences
-- Reads preferences, for `protect_preferences_read_preferences`.
SELECT DISTINCT recipient FROM preferences;

-- name: protect_preferences_insert_preferences
-- Adds preferences, for `protect_preferences_insert_preferences`.
INSERT INTO preferences
SELECT %s, kind, changed_at, changed_by
FROM preferences
WHERE recipient = %s
ON CONFLICT DO NOTHING;

-- name: protect_preferences_delete_preferences
-- Removes preferences, for `protect_preferences_delete_preferences`.
DELETE FROM preferences WHERE recipient = %s;

-- name: readable
-- Reads mail, for `readable`.
SELECT message_id, recipient FROM notices.mail WHERE message_id = ANY(%s);

-- name: send_while_locked_read
-- Reads what `send_while_locked_read` needs.
SELECT pg_advisory_lock(hashtext('sender of notices'));

-- name: send_while_locked_update_mail
-- Changes mail, for `send_while_locked_update_mail`.
UPDATE mail SET status = 'due', unsure = true, next_at = now() WHERE status = 'sending';

-- name: send_one_by_one
-- Changes mail, for `send_one_by_one`.
UPDATE mail SET status = 'due', said = %s WHERE id = %s;

-- name: measure
-- Reads mail, for `measure`.
SELECT (SELECT count(*) FROM mail WHERE status IN ('due', 'sending')), (SELECT count(*) FROM mail WHERE status IN
('failed', 'no-address')), (SELECT extract(epoch FROM now() - min(made_at)) FROM mail WHERE status IN ('due',
'sending'));

-- name: notices
-- Events for the distributors' topics that were not told before, with positions still to come.
SELECT value FROM claims WHERE kind = %s AND value = ANY(%s);

-- name: with_versions
-- Reads stored events, for `with_versions`.
SELECT originator_id, max(originator_version) FROM stored_events WHERE originator_id = ANY(%s) GROUP BY 1;

-- name: bring_back_read
-- Import what lies on the topics above the store's head; returns how many.
SELECT pg_advisory_lock(hashtext('recovery of notices'));

-- name: bring_back_read_head
-- Import what lies on the topics above the store's head; returns how many.
SELECT position FROM head;

-- name: bring_back_read_relay
-- Import what lies on the topics above the store's head; returns how many.
SELECT offsets FROM relay;

-- name: letters_page
-- Letters, newest first: one's own, or all.
SELECT status, count(*) AS letters FROM notices.mail GROUP BY status;

-- name: marks_insert_notification_tracking
-- Read the marks; what is cached may be another worker's by now, so it goes.
INSERT INTO notification_tracking (application_name, notification_id)
SELECT name, -1
FROM unnest(%s::text[]) AS name
ON CONFLICT DO NOTHING;

-- name: marks_read_notification_tracking
-- Read the marks; what is cached may be another worker's by now, so it goes.
SELECT application_name, notification_id, position FROM notification_tracking WHERE application_name = ANY(%s);

-- name: load
-- Reads stories, for `load`.
SELECT request_id, story::text FROM stories WHERE request_id = ANY(%s);

-- name: load_answers
-- Reads answers, for `load_answers`.
SELECT distributor_id, request_id, confirmation_id, record
FROM answers
JOIN unnest(%s::text[], %s::uuid[], %s::text[]) AS w(distributor_id, request_id, confirmation_id) USING
    (distributor_id, request_id, confirmation_id);

-- name: keep_stories
-- Adds stories, for `keep_stories`.
INSERT INTO stories (request_id, story)
SELECT *
FROM unnest(%b::uuid[], %b::text[]::jsonb[])
ON CONFLICT (request_id)
DO UPDATE SET story = excluded.story;

-- name: keep_answers
-- Adds answers, for `keep_answers`.
INSERT INTO answers (distributor_id, request_id, confirmation_id, record)
SELECT *
FROM unnest(%b::text[], %b::uuid[], %b::text[], %b::text[])
ON CONFLICT DO NOTHING;

-- name: dead_letter
-- Removes answers, for `dead_letter`.
DELETE FROM answers WHERE distributor_id = %s AND record = %s;

-- name: record_of
-- Reads answers, for `record_of`.
SELECT record FROM answers WHERE distributor_id = %s AND request_id = %s AND confirmation_id = %s;

-- name: reached
-- Reads notification tracking, for `reached`.
SELECT application_name, notification_id, position FROM notification_tracking;
