-- Statements of postavka.domain.reference, by name: `postavka.kernel.store.queries` loads them.

-- name: record_contract_set
-- Add a registration number, with a contract or without; returns the version that has it (L19).
SET LOCAL search_path TO reference, public;

-- name: record_contract_lock_versions
-- Add a registration number, with a contract or without; returns the version that has it (L19).
LOCK TABLE versions IN EXCLUSIVE MODE;

-- name: record_contract_read_versions
-- Add a registration number, with a contract or without; returns the version that has it (L19).
SELECT version, sha256 FROM versions ORDER BY version DESC LIMIT 1;

-- name: record_contract_insert_versions
-- Add a registration number, with a contract or without; returns the version that has it (L19).
INSERT INTO versions (version, loaded_by, sha256) VALUES (%s, %s, %s);

-- name: record_contract_insert_registrations
-- Add a registration number, with a contract or without; returns the version that has it (L19).
INSERT INTO registrations (number, from_version) VALUES (%s, %s);

-- name: record_contract_insert_contracts
-- Add a registration number, with a contract or without; returns the version that has it (L19).
INSERT INTO contracts (registration, number, from_version, valid_from, valid_until) VALUES (%s, %s, %s, %s, %s);

-- name: forget_contact_update_entries
-- Blank the contact persons of partners and distributors that this names (e-mail address, telephone,
-- `partner/contact`) in all rows; returns in how many.
UPDATE reference.entries SET body = %s WHERE kind = %s AND key = %s AND from_version = %s;

-- name: forget_contact_update_versions
-- Blank the contact persons of partners and distributors that this names (e-mail address, telephone,
-- `partner/contact`) in all rows; returns in how many.
UPDATE reference.versions SET loaded_by = loaded_by WHERE version = (SELECT max(version) FROM reference.versions);

-- name: parties_read
-- Reads what `parties_read` needs.
SELECT to_regclass('reference.entries');

-- name: parties_read_entries
-- Reads entries, for `parties_read_entries`.
SELECT kind, key, from_version, body FROM reference.entries WHERE kind IN ('partner', 'distributor') AND NOT removed;

-- name: read_read_entries_as_of
-- Reads entries as of, for `read_read_entries_as_of`.
SELECT kind, key, body FROM reference.entries_as_of(%s) ORDER BY kind, key;

-- name: read_read_find_registrations
-- Reads find registrations, for `read_read_find_registrations`.
SELECT registration, contract, valid_from, valid_until FROM reference.find_registrations(%s::text[], %s);

-- name: load_set
-- Make the file's content the newest version, in one transaction; the schema is brought up to date first.
SET LOCAL search_path TO reference, public;

-- name: load_lock_versions
-- Make the file's content the newest version, in one transaction; the schema is brought up to date first.
LOCK TABLE versions IN EXCLUSIVE MODE;

-- name: load_insert_versions
-- Make the file's content the newest version, in one transaction; the schema is brought up to date first.
INSERT INTO versions (version, loaded_by, sha256) VALUES (%s, %s, %s);

-- name: load_read
-- Make the file's content the newest version, in one transaction; the schema is brought up to date first.
SELECT kind, added, changed, removed FROM {}(%s);

-- name: load_truncate
-- Make the file's content the newest version, in one transaction; the schema is brought up to date first.
TRUNCATE staged_entries, staged_registrations, staged_contracts;

-- name: newest
-- The newest version and the digest of its content; 0 before the first load.
SELECT version, sha256 FROM reference.versions ORDER BY version DESC LIMIT 1;

-- name: state
-- The newest version, and a mark that changes whenever its row is written: also when a person was taken out.
SELECT version, sha256 || '/' || xmin FROM reference.versions ORDER BY version DESC LIMIT 1;
