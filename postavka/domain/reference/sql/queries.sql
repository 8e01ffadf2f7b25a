-- Statements of postavka.domain.reference, by name: `postavka.kernel.store.queries` loads them.

-- name: use_schema
-- Looks for tables in the schema of the reference data, for whoever loads or adds to it.
SET LOCAL search_path TO reference, public;

-- name: lock_versions
-- Lets one writer at a time add a version; readers go on.
LOCK TABLE versions IN EXCLUSIVE MODE;

-- name: newest_to_follow
-- Reads the newest version and its digest, for the version that follows it.
SELECT version, sha256 FROM versions ORDER BY version DESC LIMIT 1;

-- name: add_version
-- Adds a version, with who loaded it and the digest of its content.
INSERT INTO versions (version, loaded_by, sha256) VALUES (%s, %s, %s);

-- name: add_registration
-- Adds one registration number as of a version (L19).
INSERT INTO registrations (number, from_version) VALUES (%s, %s);

-- name: add_contract
-- Adds the 1C:ITS contract of a registration number as of a version (L19).
INSERT INTO contracts (registration, number, from_version, valid_from, valid_until) VALUES (%s, %s, %s, %s, %s);

-- name: blank_contact
-- Writes an entry without a contact person, for who asks to be forgotten.
UPDATE reference.entries SET body = %s WHERE kind = %s AND key = %s AND from_version = %s;

-- name: touch_newest_version
-- Writes the newest version's row anew, so that processes that keep a snapshot read it again.
UPDATE reference.versions SET loaded_by = loaded_by WHERE version = (SELECT max(version) FROM reference.versions);

-- name: entries_there
-- Looks whether there is reference data at all, for who is to be forgotten.
SELECT to_regclass('reference.entries');

-- name: parties
-- Reads all partners and distributors, of every version, for who is to be forgotten.
SELECT kind, key, from_version, body FROM reference.entries WHERE kind IN ('partner', 'distributor') AND NOT removed;

-- name: entries_as_of
-- Reads the entries of a version, for a snapshot.
SELECT kind, key, body FROM reference.entries_as_of(%s) ORDER BY kind, key;

-- name: find_registrations
-- Reads registration numbers with their contracts in a version, for activation (L19).
SELECT registration, contract, valid_from, valid_until FROM reference.find_registrations(%s::text[], %s);

-- name: replace_kind
-- Puts what was loaded of one kind in the place of what the version before had; counts what that adds, changes and
-- removes.
SELECT kind, added, changed, removed FROM {}(%s);

-- name: clear_staged
-- Empties the tables into which a file is loaded.
TRUNCATE staged_entries, staged_registrations, staged_contracts;

-- name: newest
-- Reads the newest version and the digest of its content; none before the first load.
SELECT version, sha256 FROM reference.versions ORDER BY version DESC LIMIT 1;

-- name: state
-- Reads the newest version, and a text that changes whenever its row is written: also when a person was taken out.
SELECT version, sha256 || '/' || xmin FROM reference.versions ORDER BY version DESC LIMIT 1;
