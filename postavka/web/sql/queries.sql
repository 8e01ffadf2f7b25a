-- Statements of postavka.web, by name: `postavka.kernel.store.queries` loads them.

-- name: role_for_reading
-- Reads whether there is a role for reading, and whether policies bind the user that is connected.
SELECT r.rolname, (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) FROM (SELECT 1) one
LEFT JOIN pg_roles r ON r.rolname = %s AND pg_has_role(r.rolname, 'SET');

-- name: become_tenant
-- Takes the role for reading, and says whose rows the transaction may see.
SELECT set_config('app.scope', %s, true), set_config('app.partner', %s, true), set_config('app.distributor', %s,
    true), set_config('role', %s, true);

-- name: expire_answers
-- Removes answers to keys of idempotency that are too old to be asked for again.
DELETE FROM accounts.answers WHERE now() - started_at > %s;

-- name: begin_answer
-- Takes a key of idempotency, also from who has begun and not finished in time.
INSERT INTO accounts.answers AS a (owner, key, fingerprint)
VALUES (%s, %s, %s)
ON CONFLICT (owner, key)
DO UPDATE SET started_at = now()
WHERE a.status IS NULL AND a.fingerprint = excluded.fingerprint AND now() - a.started_at > %s
RETURNING 1;

-- name: answer
-- Reads the first answer to a key of idempotency.
SELECT fingerprint, status, media_type, body FROM accounts.answers WHERE owner = %s AND key = %s;

-- name: give_up_answer
-- Removes a key of idempotency whose act has failed.
DELETE FROM accounts.answers WHERE owner = %s AND key = %s AND status IS NULL;

-- name: finish_answer
-- Writes the answer to a key of idempotency.
UPDATE accounts.answers SET status = %s, media_type = 'application/json', body = %s WHERE owner = %s AND key = %s;

-- name: saved_views
-- Reads the views of one list that a user has named, by name.
SELECT name, query FROM accounts.saved_views WHERE user_id = %s AND path = %s ORDER BY name;

-- name: save_view
-- Keeps a view under a name; that of the same name is replaced, and none is added where there are as many as may be.
INSERT INTO accounts.saved_views (user_id, path, name, query)
SELECT %(user)s, %(path)s, %(name)s, %(query)s
WHERE %(most)s > (SELECT count(*) FROM accounts.saved_views
    WHERE user_id = %(user)s AND path = %(path)s AND name <> %(name)s)
ON CONFLICT (user_id, path, name)
DO UPDATE SET query = excluded.query;

-- name: remove_view
-- Removes a view that a user has named.
DELETE FROM accounts.saved_views WHERE user_id = %s AND path = %s AND name = %s;
