-- Reference data in versions. A row is valid from its version on until a row of the same key with a higher version;
-- `removed` ends it. Rows are never changed, so any version can be read back.

CREATE TABLE versions (
    version bigint PRIMARY KEY,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    loaded_by text NOT NULL,
    sha256 text NOT NULL
);
COMMENT ON COLUMN versions.sha256 IS 'Of the content in canonical form: the same content makes no new version';

CREATE TABLE entries (
    kind text NOT NULL CHECK (kind IN ('partner', 'distributor', 'base_delivery', 'product')),
    key text NOT NULL,
    from_version bigint NOT NULL REFERENCES versions,
    removed boolean NOT NULL DEFAULT false,
    body jsonb,
    PRIMARY KEY (kind, key, from_version),
    CHECK (removed = (body IS NULL))
);

-- Millions of these: typed columns, and only ever looked up by number.
CREATE TABLE registrations (
    number text COLLATE "C" NOT NULL,
    from_version bigint NOT NULL REFERENCES versions,
    removed boolean NOT NULL DEFAULT false,
    PRIMARY KEY (number, from_version)
);

CREATE TABLE contracts (
    registration text COLLATE "C" NOT NULL,
    number text COLLATE "C" NOT NULL,
    from_version bigint NOT NULL REFERENCES versions,
    removed boolean NOT NULL DEFAULT false,
    valid_from date,
    valid_until date,
    PRIMARY KEY (registration, number, from_version),
    CHECK (removed OR (valid_from IS NOT NULL AND valid_until IS NOT NULL AND valid_from <= valid_until))
);
COMMENT ON TABLE contracts IS '1C:ITS contracts of a registration number (L19); both days belong to the contract';

-- Where a load puts the file's content before it is compared; empty outside of that transaction.
CREATE UNLOGGED TABLE staged_entries (kind text, key text, body jsonb);
CREATE UNLOGGED TABLE staged_registrations (number text COLLATE "C");
CREATE UNLOGGED TABLE staged_contracts (
    registration text COLLATE "C", number text COLLATE "C", valid_from date, valid_until date
);
