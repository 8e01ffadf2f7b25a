-- The web application sees a document only as the tenant it was issued to (or as one that sees all).
SELECT accounts.protect('documents'::regclass, 'partner_id', 'distributor_id');
