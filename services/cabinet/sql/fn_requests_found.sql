-- requests_found(words, least id, greatest id, most): ids of the requests that have all these words (a `tsquery`), or whose
-- id lies between the two (null: none does), as far as the tenant may see them; null if more than so many are found.
-- PostgreSQL uses no index on words for who is held to row-level security, since comparing them could tell of others' rows:
-- so it is asked as their owner here, and held to the tenant by the same condition. Who asks reads the rows by their ids,
-- under row-level security once more.
CREATE OR REPLACE FUNCTION requests_found(wanted text, least_id uuid, greatest_id uuid, most int) RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = cabinet, pg_temp SET enable_seqscan = off AS $$
    SELECT CASE WHEN count(*) <= most THEN coalesce(array_agg(DISTINCT found.request_id) FILTER (
        WHERE coalesce(current_setting('app.scope', true), '') IN ('', 'all')
            OR found.partner_id = nullif(current_setting('app.partner', true), '')
            OR (found.distributor_id = nullif(current_setting('app.distributor', true), '') AND found.approved)
    ), '{}') END
    FROM (
        (SELECT r.request_id, r.partner_id, r.distributor_id, r.approved FROM cabinet.requests r
        WHERE cabinet.words_of(r.search) @@ wanted::tsquery
        LIMIT most + 1)
        UNION ALL
        (SELECT r.request_id, r.partner_id, r.distributor_id, r.approved FROM cabinet.requests r
        WHERE r.request_id BETWEEN least_id AND greatest_id
        LIMIT most + 1)
    ) found
$$;

DO $$
BEGIN
    REVOKE ALL ON FUNCTION requests_found(text, uuid, uuid, int) FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'postavka_web') THEN
        GRANT EXECUTE ON FUNCTION requests_found(text, uuid, uuid, int) TO postavka_web;
    END IF;
END
$$;
