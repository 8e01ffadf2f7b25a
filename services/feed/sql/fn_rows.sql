-- Tenants see the events that have a number of theirs.
SELECT accounts.protect('events', 'partner_id', 'distributor_id', 'distributor_number IS NOT NULL');
