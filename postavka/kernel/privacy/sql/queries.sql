-- Statements of postavka.kernel.privacy, by name: `postavka.kernel.store.queries` loads them.

-- name: lock
-- Lets one process at a time make keys.
SELECT pg_advisory_xact_lock(hashtext('postavka.privacy'));

-- name: key_of
-- Reads the key that a name of a person has.
SELECT key_id FROM names WHERE name_hash = %s AND main;

-- name: add_key
-- Adds the wrapped key of a person.
INSERT INTO persons (key_id, wrapped) VALUES (%s, %s);

-- name: add_name
-- Adds a name (as a hash) by which a key is found.
INSERT INTO names (name_hash, key_id, main) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING;

-- name: fetch
-- Reads keys by id; a destroyed one has none.
SELECT key_id, wrapped FROM persons WHERE key_id = ANY(%s);

-- name: find
-- Reads the ids of the keys of whoever has this name.
SELECT DISTINCT key_id FROM names WHERE name_hash = %s ORDER BY key_id;

-- name: erase_keys
-- Destroys keys, with who asked and why; those that were destroyed before stay as they are.
UPDATE persons
SET wrapped = NULL, erased_at = now(), erased_by = %s, reason = %s
WHERE key_id = ANY(%s) AND wrapped IS NOT NULL
RETURNING key_id, erased_at, erased_by, reason;

-- name: forget_names
-- Removes the names of destroyed keys.
DELETE FROM names WHERE key_id = ANY(%s);

-- name: erasures
-- Counts the keys that were destroyed so far.
SELECT count(*) FROM persons WHERE erased_at IS NOT NULL;

-- name: unpublished
-- Reads the erasures that may not be on the topic yet.
SELECT key_id, erased_at, erased_by, reason FROM persons WHERE erased_at IS NOT NULL AND NOT told;

-- name: published
-- Marks the erasures that are on the topic.
UPDATE persons SET told = true WHERE key_id = ANY(%s);

-- name: fingerprint
-- Reads the fingerprint of a key that the installation works with.
SELECT fingerprint FROM keys.fingerprints WHERE name = %s;

-- name: fingerprints
-- Reads the fingerprints of all keys that the installation works with.
SELECT name, fingerprint FROM keys.fingerprints ORDER BY name;

-- name: register_fingerprint
-- Adds the fingerprint of a key: the first one counts, of several processes that start at once.
INSERT INTO keys.fingerprints (name, fingerprint) VALUES (%s, %s) ON CONFLICT DO NOTHING;

-- name: replace_fingerprint
-- Puts the fingerprint of another key in place of the one that is registered.
INSERT INTO keys.fingerprints (name, fingerprint) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET fingerprint = excluded.fingerprint, registered_at = now();
