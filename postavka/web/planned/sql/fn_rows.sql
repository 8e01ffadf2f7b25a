-- Tenants plan, see and undo their own.
SELECT accounts.protect('commands', 'partner_id', 'distributor_id', 'true',
    'SELECT, INSERT, UPDATE (state, finished_at, finished_by, outcome, not_sent, fields)');
