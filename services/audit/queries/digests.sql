-- Position and SHA-256 of every event of a store between two positions, as its record must lie on the topic: headers in
-- their order (name US value RS), then GS key GS body. No text in an envelope has a control character, so that no other
-- record gives the same bytes.
COPY (
    SELECT
        notification_id,
        sha256(
            convert_to(
                'content-type' || chr(31) || 'application/json' || chr(30)
                || 'ce_specversion' || chr(31) || '1.0' || chr(30)
                || 'ce_id' || chr(31) || originator_id || '/' || originator_version || chr(30)
                || 'ce_source' || chr(31) || {source} || chr(30)
                || 'ce_type' || chr(31) || topic || chr(30)
                || 'ce_time' || chr(31) || to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || chr(30)
                || 'ce_subject' || chr(31) || originator_id || chr(30)
                || CASE WHEN clock = 0 THEN '' ELSE 'ce_clock' || chr(31) || lpad(to_hex(clock), 16, '0') || chr(30) END
                || coalesce('ce_causationid' || chr(31) || causation || chr(30), '')
                || coalesce('ce_correlationid' || chr(31) || correlation || chr(30), '')
                || 'ce_position' || chr(31) || notification_id || chr(30)
                || coalesce('ce_input' || chr(31) || input || chr(30), '')
                || coalesce('traceparent' || chr(31) || trace || chr(30), '')
                || chr(29) || originator_id || chr(29),
                'UTF8'
            ) || state
        )
    FROM {schema}.stored_events
    WHERE notification_id > {after} AND notification_id <= {until} {only}
    ORDER BY notification_id
) TO STDOUT (FORMAT BINARY)
