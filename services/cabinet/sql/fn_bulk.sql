-- A partner keeps and sees what it has sent itself.
SELECT accounts.protect('bulk', 'partner_id', 'distributor_id', 'true', 'SELECT, INSERT, UPDATE (rows)');
