-- What lists need: whether a distributor may see a request, and text to search in. pg_c_utf8 knows small and capital
-- letters of every script, whatever the database's own locale; «ё» is read as «е».

ALTER TABLE requests
    ADD COLUMN approved boolean GENERATED ALWAYS AS (coalesce(approval ? 'approved_at', false)) STORED,
    ADD COLUMN sold_registration text GENERATED ALWAYS AS (
        CASE WHEN shipping ? 'shipped_at' THEN coalesce(approval ->> 'registration_number', request ->> 'registration_number') END
    ) STORED,
    ADD COLUMN search text COLLATE "C" GENERATED ALWAYS AS (
        left(
            replace(
                lower((
                    coalesce(request ->> 'registration_number', '') || ' ' || coalesce(request ->> 'inn', '') || ' '
                    || coalesce(shipping ->> 'permission_number', '') || ' '
                    || coalesce(replace(shipping ->> 'permission_number', '-', ''), '') || ' '
                    || coalesce(shipping #>> '{kit,number}', '') || ' '
                    || coalesce(billing #>> '{invoice,number}', '') || ' ' || request_id::text || ' '
                    || coalesce(request ->> 'buyer', '') || ' ' || coalesce(approval #>> '{product,name}', '')
                ) COLLATE pg_c_utf8),
                'ё', 'е'
            ),
            500
        )
    ) STORED;
COMMENT ON COLUMN requests.sold_registration IS 'Registration number of a sold delivery: its user finds it by this and the code';
COMMENT ON COLUMN requests.search IS 'Numbers and names in small letters; 500 characters, so that an index entry can hold it';

-- Filters and the search are answered from these indexes alone; a page's rows are fetched afterwards.
DROP INDEX requests_of_partner;
DROP INDEX requests_of_distributor;
CREATE INDEX requests_of_partner ON requests (partner_id, submitted_at DESC, request_id)
    INCLUDE (distributor_id, approved, status, search);
CREATE INDEX requests_of_distributor ON requests (distributor_id, submitted_at DESC, request_id)
    INCLUDE (partner_id, approved, status, search);
CREATE INDEX requests_by_time ON requests (submitted_at DESC, request_id)
    INCLUDE (partner_id, distributor_id, approved, status, search);
CREATE INDEX requests_by_sold_registration ON requests (sold_registration) WHERE sold_registration IS NOT NULL;
