-- Tenants see their own rows; a distributor those of approved requests only. Also for the table of a rebuild.
CREATE OR REPLACE FUNCTION protect_requests(protected regclass) RETURNS void LANGUAGE sql AS $$
    SELECT accounts.protect(protected, 'partner_id', 'distributor_id', 'approved')
$$;
SELECT protect_requests('requests');
