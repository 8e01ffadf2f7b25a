-- Statements of postavka.web.identity, by name: `postavka.kernel.store.queries` loads them.

-- name: users_there
-- Looks whether there is a table of users yet.
SELECT to_regclass('accounts.users');

-- name: password_hashes
-- Reads all open accounts that have a password, to find sample passwords among them.
SELECT login, password_hash
FROM accounts.users
WHERE disabled_at IS NULL AND password_hash IS NOT NULL
ORDER BY login;

-- name: lock_sample_users
-- Lets one process at a time make the sample users.
SELECT pg_advisory_xact_lock(hashtext('sample users'));

-- name: start_session
-- Adds a session, under the hash of its cookie's secret.
INSERT INTO accounts.sessions (id_sha256, user_id, csrf_key, method, address, agent) VALUES (%s, %s, %s, %s, %s, %s);

-- name: session
-- Reads the session of a cookie with its user; none if it has expired, or its user is disabled.
SELECT s.session_id, s.csrf_key, s.id_sha256 = %(id)s AS current, now() - s.rotated_at > %(rotate)s AS due, now() -
    s.seen_at > interval '1 minute' AS seen_long_ago, u.user_id, u.login, u.name, u.role, u.partner_id,
    u.distributor_id, u.password_hash, u.disabled_at, u.created_at
FROM accounts.sessions s
JOIN accounts.users u USING (user_id)
WHERE (s.id_sha256 = %(id)s OR (s.former_sha256 = %(id)s AND now() - s.rotated_at < %(former)s)) AND u.disabled_at
    IS NULL AND now() - s.seen_at < %(idle)s AND now() - s.created_at < %(absolute)s;

-- name: session_seen
-- Writes that a session was seen now.
UPDATE accounts.sessions SET seen_at = now() WHERE session_id = %s;

-- name: end_session
-- Removes the session of a cookie, when its user signs out.
DELETE FROM accounts.sessions WHERE id_sha256 = %s OR former_sha256 = %s;

-- name: sessions_of
-- Reads where a user is signed in, the last seen first.
SELECT session_id, method, address, agent, created_at, seen_at
FROM accounts.sessions
WHERE user_id = %s AND now() - seen_at < %s AND now() - created_at < %s
ORDER BY seen_at DESC;

-- name: revoke_session
-- Removes one session of a user.
DELETE FROM accounts.sessions WHERE user_id = %s AND session_id::text = %s;

-- name: revoke_other_sessions
-- Removes all sessions of a user but one.
DELETE FROM accounts.sessions WHERE user_id = %s AND session_id::text <> %s;

-- name: remember_device
-- Adds a browser in which a user has signed in.
INSERT INTO accounts.devices (id_sha256, user_id) VALUES (%s, %s);

-- name: knows_device
-- Looks whether this browser has signed in with this login before.
SELECT 1
FROM accounts.devices
JOIN accounts.users USING (user_id)
WHERE id_sha256 = %s AND login = %s AND now() - seen_at < %s;

-- name: expire_devices
-- Removes browsers that have not been seen for long.
DELETE FROM accounts.devices WHERE now() - seen_at > %s;

-- name: expire_sessions
-- Removes sessions that have expired.
DELETE FROM accounts.sessions WHERE now() - seen_at > %s OR now() - created_at > %s;

-- name: rotate_session
-- Gives a session a new id and keeps the former for a moment; of two requests at once only the first finds it.
UPDATE accounts.sessions
SET id_sha256 = %s, former_sha256 = id_sha256, rotated_at = now(), seen_at = now()
WHERE id_sha256 = %s;

-- name: token_is_good
-- Looks whether a token is neither revoked nor expired, for open streams.
SELECT 1 FROM accounts.tokens WHERE token_id::text = %s AND revoked_at IS NULL AND expires_at > now();

-- name: session_is_good
-- Looks whether a session has not ended and its user is not disabled, for open streams.
SELECT 1
FROM accounts.sessions s
JOIN accounts.users u USING (user_id)
WHERE s.session_id = %s::uuid AND u.disabled_at IS NULL AND now() - s.created_at < %s;

-- name: add_token
-- Adds a token of the principal's tenant, under the hash of its secret.
INSERT INTO accounts.tokens (secret_sha256, name, role, partner_id, distributor_id, scopes, hint, created_by,
    expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, now() + %s)
RETURNING {};

-- name: tokens_of_tenant
-- Reads all tokens that the transaction's tenant may see, the newest first.
SELECT {} FROM accounts.tokens ORDER BY created_at DESC, token_id;

-- name: tokens_beginning
-- Reads the ids of tokens within these bounds, for a person who has typed the beginning of one; nine are too many.
SELECT token_id FROM accounts.tokens WHERE token_id BETWEEN %s AND %s ORDER BY token_id LIMIT 9;

-- name: revoke_token
-- Revokes one token of the transaction's tenant.
UPDATE accounts.tokens SET revoked_at = coalesce(revoked_at, now()) WHERE token_id = %s;

-- name: revoke_tokens_made_by
-- Revokes the tokens that a user made for its organisation and that are still good.
UPDATE accounts.tokens
SET revoked_at = now()
WHERE created_by = %s AND revoked_at IS NULL AND expires_at > now() AND partner_id IS NOT DISTINCT
FROM %s AND distributor_id IS NOT DISTINCT
FROM %s;

-- name: token
-- Reads whom a token stands for; none if it is unknown, expired or revoked.
SELECT token_id, name, role, partner_id, distributor_id, scopes, last_used_at IS NULL OR now() - last_used_at >
    interval '1 minute'
FROM accounts.tokens
WHERE secret_sha256 = %s AND revoked_at IS NULL AND expires_at > now();

-- name: token_used
-- Writes that a token was used now.
UPDATE accounts.tokens SET last_used_at = now() WHERE token_id = %s;

-- name: find_user
-- Reads the user with this login, disabled or not.
SELECT {} FROM accounts.users WHERE login = %s;

-- name: find_user_by_claim
-- Reads the user that an OpenID provider knows as `subject`.
SELECT {} FROM accounts.users WHERE oidc_issuer = %s AND oidc_subject = %s;

-- name: link_user
-- Writes who a user is at a provider, once.
UPDATE accounts.users SET oidc_issuer = %s, oidc_subject = %s WHERE user_id = %s AND oidc_subject IS NULL;

-- name: add_user
-- Adds a user; without a password it can sign in through OpenID Connect only.
INSERT INTO accounts.users (login, name, role, partner_id, distributor_id, password_hash)
VALUES (%s, %s, %s, %s, %s, %s)
RETURNING {};

-- name: set_password
-- Writes a user's new password.
UPDATE accounts.users SET password_hash = %s, password_changed_at = now() WHERE user_id = %s;

-- name: end_sessions_but
-- Removes all sessions of a user but the one that asked.
DELETE FROM accounts.sessions WHERE user_id = %s AND session_id::text IS DISTINCT FROM %s;

-- name: forget_devices
-- Removes all browsers in which a user has signed in.
DELETE FROM accounts.devices WHERE user_id = %s;

-- name: store_hash
-- Writes the same password as a hash with today's parameters, unless it has changed meanwhile.
UPDATE accounts.users SET password_hash = %s WHERE user_id = %s AND password_hash = %s;

-- name: disable_user
-- Closes an account, or opens it again.
UPDATE accounts.users SET disabled_at = CASE WHEN %s THEN now() END WHERE login = %s RETURNING {};

-- name: end_sessions
-- Removes all sessions of a user.
DELETE FROM accounts.sessions WHERE user_id = %s;

-- name: all_users
-- Reads all users, by login.
SELECT {} FROM accounts.users ORDER BY login;
