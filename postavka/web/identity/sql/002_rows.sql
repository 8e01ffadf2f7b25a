-- Row-level security. The web application reads tenants' rows as `postavka_web` (NOLOGIN; the login of the services is a
-- member of it), and says in each transaction for whom: app.scope, app.partner, app.distributor. Without these nothing
-- is seen.
--
-- The login that owns the tables sees everything as long as it does not say for whom it reads. If it may not create
-- roles, the application reads as that login, and the same policies hold (FORCE).

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postavka_web') THEN
        CREATE ROLE postavka_web NOLOGIN NOSUPERUSER NOBYPASSRLS;
        EXECUTE format('GRANT postavka_web TO %I WITH SET TRUE', current_user);
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;  -- made for another database of this server just now
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'no right to create roles: the web application reads as %', current_user;
END
$$;
