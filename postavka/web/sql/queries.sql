-- Statements of postavka.web, by name: `postavka.kernel.store.queries` loads them.

-- name: open
-- Connect, and see whether the role for reading exists.
SELECT r.rolname, (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) FROM (SELECT 1) one
LEFT JOIN pg_roles r ON r.rolname = %s AND pg_has_role(r.rolname, 'SET');

-- name: as_
-- Reads what `as_` needs.
SELECT set_config('app.scope', %s, true), set_config('app.partner', %s, true), set_config('app.distributor', %s,
    true), set_config('role', %s, true);

-- name: sweep
-- Once.
DELETE FROM accounts.answers WHERE now() - started_at > %s;

-- name: once_insert_answers
-- Carry out `act(key)` once and answer with its status and model; again: the first answer.
INSERT INTO accounts.answers AS a (owner, key, fingerprint)
VALUES (%s, %s, %s)
ON CONFLICT (owner, key)
DO UPDATE SET started_at = now()
WHERE a.status IS NULL AND a.fingerprint = excluded.fingerprint AND now() - a.started_at > %s
RETURNING 1;

-- name: once_read_answers
-- Carry out `act(key)` once and answer with its status and model; again: the first answer.
SELECT fingerprint, status, media_type, body FROM accounts.answers WHERE owner = %s AND key = %s;

-- name: once_delete_answers
-- Carry out `act(key)` once and answer with its status and model; again: the first answer.
DELETE FROM accounts.answers WHERE owner = %s AND key = %s AND status IS NULL;

-- name: once_update_answers
-- Carry out `act(key)` once and answer with its status and model; again: the first answer.
UPDATE accounts.answers SET status = %s, media_type = 'application/json', body = %s WHERE owner = %s AND key = %s;
