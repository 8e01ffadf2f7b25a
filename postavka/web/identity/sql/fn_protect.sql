-- protect(table, partner column, distributor column[, condition for the distributor]): a tenant sees its own rows of this
-- table, roles with the scope `all` see all, nobody else sees any. Called for every table that the application reads for
-- tenants; calling again is harmless. `may` are the application's rights on it.
CREATE OR REPLACE FUNCTION protect(
    protected regclass, partner_column text, distributor_column text, distributor_condition text DEFAULT 'true',
    may text DEFAULT 'SELECT'
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    condition text := format(
        $policy$ (SELECT coalesce(current_setting('app.scope', true), '') = 'all')
            OR %I = (SELECT nullif(current_setting('app.partner', true), ''))
            OR (%I = (SELECT nullif(current_setting('app.distributor', true), '')) AND %s) $policy$,
        partner_column, distributor_column, distributor_condition
    );
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', protected);
    EXECUTE format('DROP POLICY IF EXISTS tenant ON %s', protected);
    EXECUTE format('CREATE POLICY tenant ON %s USING (%s) WITH CHECK (%s)', protected, condition, condition);
    EXECUTE format('DROP POLICY IF EXISTS owner ON %s', protected);
    EXECUTE format(
        $policy$ CREATE POLICY owner ON %s TO %I
            USING ((SELECT coalesce(current_setting('app.scope', true), '') = ''))
            WITH CHECK ((SELECT coalesce(current_setting('app.scope', true), '') = '')) $policy$,
        protected, current_user
    );
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'postavka_web') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO postavka_web', (
            SELECT nspname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE pg_class.oid = protected
        ));
        IF may <> '' THEN
            EXECUTE format('GRANT %s ON %s TO postavka_web', may, protected);
        END IF;
    END IF;
END
$$;
