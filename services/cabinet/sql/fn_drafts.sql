-- A partner's users keep and see what their partner's users have typed; which of it is whose, the application asks.
SELECT accounts.protect('drafts', 'partner_id', 'distributor_id', 'true', 'SELECT, INSERT, UPDATE (typed, changed_at), DELETE');
