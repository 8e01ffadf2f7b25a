-- Numbers of requests (postavka/domain/request_numbers.py): the fold takes them from the events that come; rows that are
-- there get theirs here, from the events with which they began. A database without that store has no such rows.

ALTER TABLE requests ADD COLUMN number text COLLATE "C" GENERATED ALWAYS AS (request ->> 'number') STORED;
CREATE INDEX requests_by_number ON requests (number) WHERE number IS NOT NULL;
COMMENT ON COLUMN requests.number IS 'As people say it: year and position of RequestSubmitted';

CREATE FUNCTION number_requests() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('request.stored_events') IS NULL THEN
        RETURN;
    END IF;
    UPDATE requests AS r
    SET request = r.request || jsonb_build_object(
        'number',
        to_char(e.recorded_at AT TIME ZONE 'Europe/Moscow', 'YYYY') || '-'
            || lpad(e.notification_id::text, greatest(6, length(e.notification_id::text)), '0')
    )
    FROM request.stored_events AS e
    WHERE e.originator_id = r.request_id AND e.originator_version = 1 AND e.topic LIKE 'RequestSubmitted.%'
        AND r.request ? 'submitted_at' AND NOT r.request ? 'number';
END
$$;
SELECT number_requests();
