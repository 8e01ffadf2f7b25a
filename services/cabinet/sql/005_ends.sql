-- Services are looked for by their end, and renewals by the request that they name.
CREATE INDEX requests_of_partner_by_end ON requests (partner_id, (renewal ->> 'service_until'), request_id)
WHERE renewal ->> 'service_until' IS NOT NULL;
CREATE INDEX requests_of_distributor_by_end ON requests (distributor_id, (renewal ->> 'service_until'), request_id)
WHERE renewal ->> 'service_until' IS NOT NULL;
CREATE INDEX requests_by_end ON requests ((renewal ->> 'service_until')) WHERE renewal ->> 'service_until' IS NOT NULL;
CREATE INDEX requests_by_renewed ON requests ((request ->> 'renews')) WHERE request ->> 'renews' IS NOT NULL;

-- Addresses of calendars: whoever has one reads the ends of a partner's services, so that only a digest is kept.
CREATE TABLE calendar_addresses (
    user_id uuid PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    partner_id text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN calendar_addresses.user_id IS 'Who has made it: it is good as long as this user is open and of this partner';
