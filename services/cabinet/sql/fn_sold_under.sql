-- sold_under(registration number): deliveries with this registration number that are sold or activated, for who holds the
-- code of one of them and is nobody's user. It alone passes by row-level security for a visitor, and is asked for codes
-- in the application only.
CREATE OR REPLACE FUNCTION sold_under(registration text)
RETURNS TABLE (request_id uuid, code text, product text, status text, activation jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = cabinet, pg_temp SET app.scope = 'all' AS $$
    SELECT r.request_id, r.shipping #>> '{kit,code}', r.approval #>> '{product,name}', r.status, r.activation
    FROM cabinet.requests r
    WHERE r.sold_registration = registration
$$;

DO $$
BEGIN
    REVOKE ALL ON FUNCTION sold_under(text) FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'postavka_web') THEN
        GRANT EXECUTE ON FUNCTION sold_under(text) TO postavka_web;
    END IF;
END
$$;
