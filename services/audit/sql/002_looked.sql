-- Who looked at what on the pages and through the API, for the auditor. Rows are only ever added.

CREATE TABLE looked (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    role text NOT NULL,
    organisation text,
    request_id uuid NOT NULL,
    what text NOT NULL,
    address text NOT NULL
);
CREATE INDEX looked_by_request ON looked (request_id, id DESC);
CREATE INDEX looked_by_actor ON looked (actor, id DESC);
COMMENT ON COLUMN looked.what IS 'Method and path of what was asked for and answered, without its query';

CREATE FUNCTION looked_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the list of who looked is kept as it is: % is refused', TG_OP;
END
$$;
CREATE TRIGGER looked_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON looked
    FOR EACH STATEMENT EXECUTE FUNCTION looked_is_kept();
