-- Statements of postavka.domain.request_ids, by name: `postavka.kernel.store.queries` loads them.

-- name: beginning
-- Reads the ids of requests within these bounds, for a person who has typed the beginning of one; nine are too many.
SELECT DISTINCT originator_id FROM request.stored_events WHERE originator_id BETWEEN %s AND %s
ORDER BY originator_id LIMIT 9;

-- name: at_position
-- Reads the request that began at this position of its store, and when, for a person who has typed its number.
SELECT originator_id, recorded_at FROM request.stored_events
WHERE notification_id = %s AND topic LIKE 'RequestSubmitted.%%';

-- name: known
-- Reads whether the stage `request` knows this request, for a command that is about to send something for it.
SELECT EXISTS (SELECT FROM request.stored_events WHERE originator_id = %s);
