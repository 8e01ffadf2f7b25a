-- Statements of postavka.web.planned, by name: `postavka.kernel.store.queries` loads them.

-- name: plan
-- Writes a plan; the same plan again changes nothing.
INSERT INTO planned.commands (plan_id, kind, fields, subjects, title, result_path, partner_id, distributor_id, owner,
    actor, principal, announced, not_before)
VALUES (%(plan_id)s, %(kind)s, %(fields)s, %(subjects)s, %(title)s, %(result_path)s, %(partner_id)s,
    %(distributor_id)s, %(owner)s, %(actor)s, %(principal)s, %(announced)s, coalesce(%(not_before)s, now() + %(delay)s))
ON CONFLICT (plan_id) DO NOTHING;

-- name: of_actor
-- Reads what one person has under way, and what ended just now: for the bar of every page.
SELECT {} FROM planned.commands
WHERE owner = %(owner)s AND actor = %(actor)s AND (state = 'waiting' AND not_before < now() + %(soon)s
    OR finished_at > now() - CASE state WHEN 'refused' THEN %(told_why)s ELSE %(told)s END)
ORDER BY planned_at DESC;

-- name: of_owner
-- Reads what an owner has planned, what waits first, then the newest.
SELECT {} FROM planned.commands WHERE owner = %s ORDER BY state = 'waiting' DESC, planned_at DESC LIMIT %s;

-- name: about
-- Reads what an owner has waiting about any of these subjects, what is due first.
SELECT {} FROM planned.commands
WHERE owner = %s AND state = 'waiting' AND subjects && %s::text[]
ORDER BY not_before;

-- name: one
-- Reads one plan of its owner.
SELECT {} FROM planned.commands WHERE plan_id = %s AND owner = %s;

-- name: lock
-- Locks a plan that waits, unless it is just being sent.
SELECT plan_id FROM planned.commands WHERE plan_id = %s AND owner = %s AND state = 'waiting' FOR UPDATE SKIP LOCKED;

-- name: finish
-- Writes that a plan is over: sent, refused or undone. What it was made of goes.
UPDATE planned.commands
SET state = %(state)s, finished_at = now(), finished_by = %(by)s, outcome = %(said)s, not_sent = %(not_sent)s, fields = '{}'
WHERE plan_id = %(plan_id)s;

-- name: claim
-- Locks the plan that has been due for the longest and that nobody else is sending, until the transaction ends.
SELECT plan_id, kind, fields, principal, tries
FROM planned.commands
WHERE state = 'waiting' AND not_before <= now() AND (again_at IS NULL OR again_at <= now())
ORDER BY not_before, plan_id
LIMIT 1
FOR UPDATE SKIP LOCKED;

-- name: later
-- Writes that a server was away, and when the plan is tried again.
UPDATE planned.commands SET tries = tries + 1, again_at = now() + %s WHERE plan_id = %s;

-- name: user_standing
-- Reads whether a user is still open, with the same role and tenant.
SELECT 1
FROM accounts.users
WHERE user_id::text = %s AND disabled_at IS NULL AND role = %s AND partner_id IS NOT DISTINCT FROM %s
    AND distributor_id IS NOT DISTINCT FROM %s;

-- name: token_standing
-- Reads whether a token is still good.
SELECT 1 FROM accounts.tokens WHERE token_id::text = %s AND revoked_at IS NULL AND expires_at > now();

-- name: expire_plans
-- Removes plans that have been over for so long.
DELETE FROM planned.commands WHERE finished_at < now() - %s;
