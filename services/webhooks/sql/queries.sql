-- Statements of services.webhooks, by name: `postavka.kernel.store.queries` loads them.

-- name: all
-- Reads the webhooks of a tenant, the oldest first.
SELECT webhook_id, url, types, number, is_on, off_reason, failing_since, former_until, created_at, created_by
FROM webhooks.webhooks
ORDER BY created_at, webhook_id;

-- name: one
-- Reads one webhook of a tenant.
SELECT webhook_id, url, types, number, is_on, off_reason, failing_since, former_until, created_at, created_by
FROM webhooks.webhooks
WHERE webhook_id = %s;

-- name: secret
-- Reads the newest secret of a webhook, sealed.
SELECT secrets[1] FROM webhooks.webhooks WHERE webhook_id = %s;

-- name: add
-- Adds a webhook; one that is there already stays as it is.
INSERT INTO webhooks.webhooks (webhook_id, partner_id, distributor_id, url, types, secrets, number, created_by)
VALUES (%s, %s, %s, %s, %s, ARRAY[%s]::bytea[], %s, %s)
ON CONFLICT (webhook_id) DO NOTHING;

-- name: change_secret
-- Writes a new secret. Those before it sign as well for a while: up to three, so that one changed twice signs for whoever
-- has either.
UPDATE webhooks.webhooks
SET secrets = %(secret)s::bytea || CASE WHEN former_until > now() THEN secrets[1:3] ELSE secrets[1:1] END,
    former_until = now() + %(overlap)s
WHERE webhook_id = %(id)s;

-- name: remove
-- Removes a webhook with its log.
DELETE FROM webhooks.webhooks WHERE webhook_id = %s;

-- name: switch
-- Switches a webhook on or off for a person; on, it begins anew to count failures, and tries at once what waits.
UPDATE webhooks.webhooks
SET is_on = %(on)s, off_reason = CASE WHEN %(on)s THEN NULL ELSE 'person' END, failing_since = NULL
WHERE webhook_id = %(id)s;

-- name: try_now
-- Makes what waits of a webhook due at once.
UPDATE webhooks.deliveries SET next_at = now() WHERE webhook_id = %s AND status = 'due';

-- name: log
-- Reads the log of deliveries of a webhook before a number, the newest event first.
SELECT number, request_id, type, status, tries, next_at, made_at, tried_at, took_ms, answered, said
FROM webhooks.deliveries
WHERE webhook_id = %(id)s AND number < %(before)s
ORDER BY number DESC
LIMIT %(most)s;

-- name: again
-- Makes a delivery due again, whatever became of it.
UPDATE webhooks.deliveries
SET status = 'due', tries = 0, next_at = now()
WHERE webhook_id = %s AND number = %s;

-- name: go_back
-- Lets a webhook take the feed again from behind a number on; what it has had already is sent again.
UPDATE webhooks.webhooks SET number = least(number, %s) WHERE webhook_id = %s;

-- name: with_work
-- Reads webhooks that have something to deliver now, and which no worker is busy with.
SELECT w.webhook_id
FROM webhooks w
WHERE w.is_on AND w.busy_until <= now() AND (
    EXISTS (SELECT FROM deliveries d WHERE d.webhook_id = w.webhook_id AND d.status = 'due' AND d.next_at <= now())
    OR w.number < coalesce((SELECT t.last FROM feed.tenants t
        WHERE t.party = CASE WHEN w.partner_id IS NULL THEN 'distributor' ELSE 'partner' END
            AND t.party_id = coalesce(w.partner_id, w.distributor_id)), 0)
);

-- name: take
-- Takes a webhook for one worker, for a while.
UPDATE webhooks
SET busy_until = now() + %(lease)s
WHERE webhook_id = %(id)s AND is_on AND busy_until <= now()
RETURNING partner_id, distributor_id, url, types,
    CASE WHEN former_until > now() THEN secrets ELSE secrets[1:1] END, number;

-- name: release
-- Gives a webhook back.
UPDATE webhooks SET busy_until = now() WHERE webhook_id = %s;

-- name: waiting
-- Counts what a webhook has still to deliver.
SELECT count(*) FROM deliveries WHERE webhook_id = %s AND status = 'due';

-- name: fill
-- Adds an event to what is to be delivered; one that was there before is sent again.
INSERT INTO deliveries (webhook_id, number, partner_id, distributor_id, request_id, type)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (webhook_id, number)
DO UPDATE SET status = 'due', tries = 0, next_at = now();

-- name: reached
-- Writes how far of the feed a webhook has taken; nothing where somebody has set it back meanwhile.
UPDATE webhooks SET number = %(number)s WHERE webhook_id = %(id)s AND number = %(before)s;

-- name: heads
-- Reads what can be delivered now: of each request the earliest event that is not settled, if it is due.
SELECT number, tries
FROM (SELECT DISTINCT ON (request_id) number, tries, next_at FROM deliveries
    WHERE webhook_id = %(id)s AND status = 'due' ORDER BY request_id, number) heads
WHERE next_at <= now()
ORDER BY number
LIMIT %(most)s;

-- name: sent
-- Notes that an event was taken.
UPDATE deliveries
SET status = 'sent', tries = tries + 1, tried_at = now(), took_ms = %(took)s, answered = %(answered)s, said = %(said)s
WHERE webhook_id = %(id)s AND number = %(number)s;

-- name: well
-- Notes that a webhook works.
UPDATE webhooks SET failing_since = NULL WHERE webhook_id = %s AND failing_since IS NOT NULL;

-- name: not_sent
-- Notes that an event was not taken, and when it is tried again; without a time it has failed. One that was taken stays so.
UPDATE deliveries
SET status = CASE WHEN %(pause)s::interval IS NULL THEN 'failed' ELSE 'due' END, tries = tries + 1, tried_at = now(),
    took_ms = %(took)s, answered = %(answered)s, said = %(said)s, next_at = now() + coalesce(%(pause)s, interval '0')
WHERE webhook_id = %(id)s AND number = %(number)s AND status = 'due';

-- name: lost
-- Notes that an event is not in the feed any more.
UPDATE deliveries SET status = 'failed', said = 'события больше нет в ленте' WHERE webhook_id = %(id)s AND number = %(number)s;

-- name: failing
-- Notes that a webhook fails, and tells since when.
UPDATE webhooks
SET failing_since = coalesce(failing_since, now())
WHERE webhook_id = %s
RETURNING extract(epoch FROM now() - failing_since), failing_since;

-- name: switch_off
-- Switches off a webhook that fails.
UPDATE webhooks SET is_on = false, off_reason = %s WHERE webhook_id = %s AND is_on;

-- name: clean
-- Removes settled deliveries that are too old.
DELETE FROM deliveries WHERE status <> 'due' AND made_at < now() - %s;

-- name: measure
-- Counts what waits, tells for how long the oldest has waited for its first try, and counts webhooks that fail.
SELECT (SELECT count(*) FROM webhooks.deliveries WHERE status = 'due'),
    (SELECT coalesce(extract(epoch FROM now() - min(d.next_at)), 0)
        FROM webhooks.deliveries d JOIN webhooks.webhooks w USING (webhook_id)
        WHERE d.status = 'due' AND d.tries = 0 AND w.is_on AND w.failing_since IS NULL),
    (SELECT count(*) FROM webhooks.webhooks WHERE is_on AND failing_since IS NOT NULL);
