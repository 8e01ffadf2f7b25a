-- Statements of postavka.web.identity, by name: `postavka.kernel.store.queries` loads them.

-- name: with_known_password_read
-- Is there a table of users yet?
SELECT to_regclass('accounts.users');

-- name: with_known_password_read_users
-- All open accounts that have a password.
SELECT login, password_hash
FROM accounts.users
WHERE disabled_at IS NULL AND password_hash IS NOT NULL
ORDER BY login;

-- name: make_sample_users
-- Make those that are missing; returns the logins made.
SELECT pg_advisory_xact_lock(hashtext('sample users'));

-- name: start
-- A new session; returns the secret for the cookie.
INSERT INTO accounts.sessions (id_sha256, user_id, csrf_key, method, address, agent) VALUES (%s, %s, %s, %s, %s, %s);

-- name: resume_read_sessions
-- The session of a cookie; None when there is none, it has expired, or its user is disabled.
SELECT s.session_id, s.csrf_key, s.id_sha256 = %(id)s AS current, now() - s.rotated_at > %(rotate)s AS due, now() -
    s.seen_at > interval '1 minute' AS seen_long_ago, u.user_id, u.login, u.name, u.role, u.partner_id,
    u.distributor_id, u.password_hash, u.disabled_at, u.created_at
FROM accounts.sessions s
JOIN accounts.users u USING (user_id)
WHERE (s.id_sha256 = %(id)s OR (s.former_sha256 = %(id)s AND now() - s.rotated_at < %(former)s)) AND u.disabled_at
    IS NULL AND now() - s.seen_at < %(idle)s AND now() - s.created_at < %(absolute)s;

-- name: resume_update_sessions
-- The session of a cookie; None when there is none, it has expired, or its user is disabled.
UPDATE accounts.sessions SET seen_at = now() WHERE session_id = %s;

-- name: end
-- Sign out.
DELETE FROM accounts.sessions WHERE id_sha256 = %s OR former_sha256 = %s;

-- name: of_user
-- Where the user is signed in, the last seen first.
SELECT session_id, method, address, agent, created_at, seen_at
FROM accounts.sessions
WHERE user_id = %s AND now() - seen_at < %s AND now() - created_at < %s
ORDER BY seen_at DESC;

-- name: sessions_revoke
-- End one session of this user; False when it has no such session.
DELETE FROM accounts.sessions WHERE user_id = %s AND session_id::text = %s;

-- name: revoke_others
-- End all sessions of this user but one; returns how many ended.
DELETE FROM accounts.sessions WHERE user_id = %s AND session_id::text <> %s;

-- name: remember_device
-- This browser has signed in as this user: returns the secret for its cookie.
INSERT INTO accounts.devices (id_sha256, user_id) VALUES (%s, %s);

-- name: knows_device
-- Has this browser signed in with this login before?
SELECT 1
FROM accounts.devices
JOIN accounts.users USING (user_id)
WHERE id_sha256 = %s AND login = %s AND now() - seen_at < %s;

-- name: sweep_delete_devices
-- Remove what has expired; returns how many sessions went.
DELETE FROM accounts.devices WHERE now() - seen_at > %s;

-- name: sweep_delete_sessions
-- Remove what has expired; returns how many sessions went.
DELETE FROM accounts.sessions WHERE now() - seen_at > %s OR now() - created_at > %s;

-- name: rotate
-- Two requests at once rotate once: the slower one finds the id changed and goes on with the former.
UPDATE accounts.sessions
SET id_sha256 = %s, former_sha256 = id_sha256, rotated_at = now(), seen_at = now()
WHERE id_sha256 = %s;

-- name: still_good_read_tokens
-- Its session has not ended and its user is not disabled, or its token is neither revoked nor expired.
SELECT 1 FROM accounts.tokens WHERE token_id::text = %s AND revoked_at IS NULL AND expires_at > now();

-- name: still_good_read_sessions
-- Its session has not ended and its user is not disabled, or its token is neither revoked nor expired.
SELECT 1
FROM accounts.sessions s
JOIN accounts.users u USING (user_id)
WHERE s.session_id = %s::uuid AND u.disabled_at IS NULL AND now() - s.created_at < %s;

-- name: make
-- A new token of the principal's tenant.
INSERT INTO accounts.tokens (secret_sha256, name, role, partner_id, distributor_id, scopes, hint, created_by,
    expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, now() + %s)
RETURNING {};

-- name: of_tenant
-- All tokens that the transaction's tenant may see, the newest first.
SELECT {} FROM accounts.tokens ORDER BY created_at DESC, token_id;

-- name: tokens_revoke
-- From now on it opens nothing; False when the tenant has no such token.
UPDATE accounts.tokens SET revoked_at = coalesce(revoked_at, now()) WHERE token_id = %s;

-- name: revoke_made_by
-- Revoke the tokens that a user made for its organisation and that are still good; returns how many.
UPDATE accounts.tokens
SET revoked_at = now()
WHERE created_by = %s AND revoked_at IS NULL AND expires_at > now() AND partner_id IS NOT DISTINCT
FROM %s AND distributor_id IS NOT DISTINCT
FROM %s;

-- name: principal_of_read_tokens
-- Whom a token stands for; None when it is unknown, expired or revoked.
SELECT token_id, name, role, partner_id, distributor_id, scopes, last_used_at IS NULL OR now() - last_used_at >
    interval '1 minute'
FROM accounts.tokens
WHERE secret_sha256 = %s AND revoked_at IS NULL AND expires_at > now();

-- name: principal_of_update_tokens
-- Whom a token stands for; None when it is unknown, expired or revoked.
UPDATE accounts.tokens SET last_used_at = now() WHERE token_id = %s;

-- name: find
-- The user with this login, disabled or not.
SELECT {} FROM accounts.users WHERE login = %s;

-- name: find_by_claim
-- The user that an OpenID provider knows as `subject`.
SELECT {} FROM accounts.users WHERE oidc_issuer = %s AND oidc_subject = %s;

-- name: link
-- Remember who the user is at a provider, once; False when it is somebody else there already.
UPDATE accounts.users SET oidc_issuer = %s, oidc_subject = %s WHERE user_id = %s AND oidc_subject IS NULL;

-- name: add
-- A new user. Without a password it can sign in through OpenID Connect only.
INSERT INTO accounts.users (login, name, role, partner_id, distributor_id, password_hash)
VALUES (%s, %s, %s, %s, %s, %s)
RETURNING {};

-- name: set_password_update_users
-- A new password; all sessions end but the one that asked.
UPDATE accounts.users SET password_hash = %s, password_changed_at = now() WHERE user_id = %s;

-- name: set_password_delete_sessions
-- A new password; all sessions end but the one that asked.
DELETE FROM accounts.sessions WHERE user_id = %s AND session_id::text IS DISTINCT FROM %s;

-- name: set_password_delete_devices
-- A new password; all sessions end but the one that asked.
DELETE FROM accounts.devices WHERE user_id = %s;

-- name: store_hash
-- The same password with today's parameters.
UPDATE accounts.users SET password_hash = %s WHERE user_id = %s AND password_hash = %s;

-- name: disable_update_users
-- Close or reopen an account; closing ends its sessions at once.
UPDATE accounts.users SET disabled_at = CASE WHEN %s THEN now() END WHERE login = %s RETURNING {};

-- name: disable_delete_sessions
-- Close or reopen an account; closing ends its sessions at once.
DELETE FROM accounts.sessions WHERE user_id = %s;

-- name: disable_delete_devices
-- Close or reopen an account; closing ends its sessions at once.
DELETE FROM accounts.devices WHERE user_id = %s;

-- name: all_users
-- Everybody, by login.
SELECT {} FROM accounts.users ORDER BY login;
