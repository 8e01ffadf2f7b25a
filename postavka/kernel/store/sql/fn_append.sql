-- Everything one batch leads to, in one statement: events, claimed values, and how far the inputs have been handled.
-- Returns the position before the first event. Raises PV001 when another worker has moved an input's mark meanwhile,
-- unique_violation when another one has written to the same request or claimed the same value.
CREATE OR REPLACE FUNCTION append(
    originators uuid[], versions bigint[], topics text[], states bytea[], times timestamptz[], clocks bigint[],
    causations text[], correlations text[], inputs text[], traces text[],
    claim_kinds text[], claim_values text[], claim_originators uuid[],
    tracked text[], expected bigint[], offsets bigint[], positions bigint[]
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    before bigint;
    moved bigint;
BEGIN
    IF cardinality(originators) > 0 THEN
        UPDATE head SET position = position + cardinality(originators)
            RETURNING position - cardinality(originators) INTO before;
        INSERT INTO stored_events (originator_id, originator_version, topic, state, notification_id, recorded_at,
                clock, causation, correlation, input, trace)
            SELECT u.originator, u.version, u.topic, u.state, before + u.place, u.time, u.clock, u.causation,
                u.correlation, u.input, u.trace
            FROM unnest(originators, versions, topics, states, times, clocks, causations, correlations, inputs, traces)
                WITH ORDINALITY AS u(originator, version, topic, state, time, clock, causation, correlation, input,
                    trace, place);
    END IF;
    IF cardinality(claim_kinds) > 0 THEN
        INSERT INTO claims (kind, value, originator_id)
            SELECT * FROM unnest(claim_kinds, claim_values, claim_originators);
    END IF;
    IF cardinality(tracked) > 0 THEN
        UPDATE notification_tracking t
            SET notification_id = u.reached, position = greatest(t.position, u.position)
            FROM unnest(tracked, expected, offsets, positions) AS u(name, before, reached, position)
            WHERE t.application_name = u.name AND t.notification_id = u.before;
        GET DIAGNOSTICS moved = ROW_COUNT;
        IF moved <> cardinality(tracked) THEN
            RAISE EXCEPTION 'another worker has moved a mark' USING ERRCODE = 'PV001';
        END IF;
    END IF;
    RETURN before;
END
$$;
