-- Tenants see and keep their own webhooks; of the log of deliveries they change when one is sent again.
SELECT accounts.protect('webhooks', 'partner_id', 'distributor_id', 'true', 'SELECT, INSERT, UPDATE, DELETE');
SELECT accounts.protect('deliveries', 'partner_id', 'distributor_id', 'true', 'SELECT, UPDATE (status, tries, next_at)');
