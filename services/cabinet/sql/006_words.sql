-- Searching by words. The text to search in also has the names and codes of partner and distributor, and of numbers
-- their digits backwards after an `r`: who knows the last digits alone finds them as a beginning. A permission number is
-- in it without hyphens, ids are found by the primary key: every word costs time with every change of a row. Buyer and
-- names are cut, so that no word is longer than a lexeme, and the whole no longer than an index entry, may be. The
-- registration number stays in front of all.
--
-- words_of makes the words of it: whatever stands between two characters that are neither letter nor digit. Only
-- what requests_found (fn_requests_found.sql) looks for by them is answered from their index.
--
-- Lists also say what they sum up to and are sorted by it: the price is a column, and part of the indexes that lists are
-- answered from. Sums without a search or days come from the narrow ones.

ALTER TABLE requests
    ALTER COLUMN search SET EXPRESSION AS (
        left(
            replace(
                lower((
                    coalesce(request ->> 'registration_number', '') || ' ' || coalesce(request ->> 'inn', '') || ' '
                    || coalesce(replace(shipping ->> 'permission_number', '-', ''), '') || ' '
                    || coalesce(shipping #>> '{kit,number}', '') || ' '
                    || coalesce(billing #>> '{invoice,number}', '') || ' ' || coalesce(request ->> 'number', '') || ' '
                    || coalesce('r' || reverse(request ->> 'registration_number'), '') || ' '
                    || coalesce('r' || reverse(request ->> 'inn'), '') || ' '
                    || coalesce('r' || reverse(replace(shipping ->> 'permission_number', '-', '')), '') || ' '
                    || coalesce('r' || reverse(shipping #>> '{kit,number}'), '') || ' '
                    || left(coalesce(request ->> 'buyer', ''), 200) || ' '
                    || left(coalesce(approval #>> '{product,name}', ''), 100) || ' '
                    || coalesce(request ->> 'partner_id', '') || ' '
                    || left(coalesce(approval #>> '{partner,name}', ''), 100) || ' '
                    || coalesce(request ->> 'distributor_id', '') || ' '
                    || left(coalesce(approval #>> '{distributor,name}', ''), 100)
                ) COLLATE pg_c_utf8),
                'ё', 'е'
            ),
            640
        )
    ),
    ADD COLUMN amount numeric GENERATED ALWAYS AS ((approval #>> '{product,price}')::numeric) STORED;
COMMENT ON COLUMN requests.search IS 'Numbers and names in small letters; 640 characters, so that an index entry can hold it';
COMMENT ON COLUMN requests.amount IS 'Price in roubles, VAT included; null before the approval';

CREATE FUNCTION words_of(search text) RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT array_to_tsvector(string_to_array(btrim(regexp_replace(search COLLATE pg_c_utf8, '[^[:alnum:]]+', ' ', 'g')), ' '))
$$;
CREATE INDEX requests_by_words ON requests USING gin (words_of(search)) WITH (gin_pending_list_limit = 1024);

DROP INDEX requests_of_partner;
DROP INDEX requests_of_distributor;
DROP INDEX requests_by_time;
CREATE INDEX requests_of_partner ON requests (partner_id, submitted_at DESC, request_id)
    INCLUDE (distributor_id, approved, status, amount, search);
CREATE INDEX requests_of_distributor ON requests (distributor_id, submitted_at DESC, request_id)
    INCLUDE (partner_id, approved, status, amount, search);
CREATE INDEX requests_by_time ON requests (submitted_at DESC, request_id)
    INCLUDE (partner_id, distributor_id, approved, status, amount, search);

DROP INDEX requests_of_partner_by_status;
DROP INDEX requests_of_distributor_by_status;
CREATE INDEX requests_of_partner_by_status ON requests (partner_id, status, distributor_id, approved, amount);
CREATE INDEX requests_of_distributor_by_status ON requests (distributor_id, status, partner_id, approved, amount);
