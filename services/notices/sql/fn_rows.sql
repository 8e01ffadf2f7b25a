-- Tenants see the letters that were written to them.
SELECT accounts.protect('mail', 'partner_id', 'distributor_id');
