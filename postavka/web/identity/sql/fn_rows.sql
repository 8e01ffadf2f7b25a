-- After fn_protect.sql: files run in the order of their names.
SELECT protect('tokens', 'partner_id', 'distributor_id', 'true', 'SELECT, INSERT, UPDATE (revoked_at)');
