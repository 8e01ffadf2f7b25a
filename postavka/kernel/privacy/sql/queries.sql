-- Statements of postavka.kernel.privacy, by name: `postavka.kernel.store.queries` loads them.

-- name: find_or_make_read
-- Reads what `find_or_make_read` needs.
SELECT pg_advisory_xact_lock(hashtext('postavka.privacy'));

-- name: find_or_make_read_names
-- Reads names, for `find_or_make_read_names`.
SELECT key_id FROM names WHERE name_hash = %s AND main;

-- name: find_or_make_insert_persons
-- Adds persons, for `find_or_make_insert_persons`.
INSERT INTO persons (key_id, wrapped) VALUES (%s, %s);

-- name: find_or_make_insert_names
-- Adds names, for `find_or_make_insert_names`.
INSERT INTO names (name_hash, key_id, main) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING;

-- name: fetch
-- Keys by id; None for one that was destroyed. One that is not here is left out.
SELECT key_id, wrapped FROM persons WHERE key_id = ANY(%s);

-- name: find
-- Ids of the keys of whoever is found by this name.
SELECT DISTINCT key_id FROM names WHERE name_hash = %s ORDER BY key_id;

-- name: erase_keys_update_persons
-- Destroy these keys; those that were destroyed before are left as they are.
UPDATE persons
SET wrapped = NULL, erased_at = now(), erased_by = %s, reason = %s
WHERE key_id = ANY(%s) AND wrapped IS NOT NULL
RETURNING key_id, erased_at, erased_by, reason;

-- name: erase_keys_delete_names
-- Destroy these keys; those that were destroyed before are left as they are.
DELETE FROM names WHERE key_id = ANY(%s);

-- name: erasures
-- How many keys were destroyed so far.
SELECT count(*) FROM persons WHERE erased_at IS NOT NULL;

-- name: untold
-- Erasures that may not be on the topic yet.
SELECT key_id, erased_at, erased_by, reason FROM persons WHERE erased_at IS NOT NULL AND NOT told;

-- name: mark_told
-- They are on the topic.
UPDATE persons SET told = true WHERE key_id = ANY(%s);
