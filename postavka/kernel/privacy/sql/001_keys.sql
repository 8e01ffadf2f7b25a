-- One key a person. The only schema from which something is really taken away, and the only one that does not go into
-- the ordinary copy of the database.

CREATE TABLE persons (
    key_id text PRIMARY KEY,
    wrapped bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    erased_at timestamptz,
    erased_by text,
    reason text,
    told boolean NOT NULL DEFAULT false,
    CHECK ((wrapped IS NULL) = (erased_at IS NOT NULL)),
    CHECK (erased_at IS NULL OR (erased_by IS NOT NULL AND reason IS NOT NULL))
);
COMMENT ON COLUMN persons.wrapped IS 'The person''s key, wrapped (RFC 3394) with the master key, which is not in the database';
COMMENT ON COLUMN persons.told IS 'The erasure is on the topic privacy.erasures';

CREATE TABLE names (
    name_hash bytea NOT NULL,
    key_id text NOT NULL REFERENCES persons,
    main boolean NOT NULL,
    PRIMARY KEY (name_hash, key_id)
);
CREATE UNIQUE INDEX one_key_for_a_main_name ON names (name_hash) WHERE main;
COMMENT ON TABLE names IS 'By what a person is found: HMAC-SHA256 of an e-mail address, a telephone number, a contact person''s id. Goes with the key';
