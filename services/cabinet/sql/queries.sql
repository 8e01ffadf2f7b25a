-- Statements of services.cabinet, by name: `postavka.kernel.store.queries` loads them.

-- name: sold
-- Reads sold under, for `sold`.
SELECT request_id, code, product, status, activation FROM cabinet.sold_under(%s);

-- name: names
-- Names for the ids that events bear. A distributor learns the partner's, not its people's.
SELECT login, name FROM accounts.users WHERE login = ANY(%s) AND partner_id = %s;

-- name: pick_up
-- Fold anew what this release can read now, in the partitions of these marks; returns how many requests. `hold` is
-- called in the transaction that writes, and raises `MarksMoved` if the tables are others by then.
DELETE FROM unread WHERE topic = %s AND partition = %s AND "offset" = %s;

-- name: readable
-- Records that were put aside for their type, which is known by now.
SELECT topic, partition, "offset", type
FROM unread
WHERE topic || '/' || partition = ANY(%s) AND reason LIKE 'the type %% is not known %%';

-- name: page
-- The newest first.
WITH places AS MATERIALIZED (SELECT request_id FROM cabinet.requests WHERE {} ORDER BY submitted_at DESC, request_id
    LIMIT %(size)s)
SELECT r.request_id, r.status, r.submitted_at, r.partner_id, r.distributor_id, r.request, r.approval, r.billing,
    r.shipping, r.activation
FROM cabinet.requests r
WHERE r.request_id = ANY (ARRAY(SELECT request_id FROM places)) AND {}
ORDER BY r.submitted_at DESC, r.request_id;

-- name: one
-- None where there is none, and where it is another tenant's: nobody can tell the two apart.
SELECT request_id, status, submitted_at, partner_id, distributor_id, request, approval, billing, shipping,
    activation
FROM cabinet.requests
WHERE request_id = %(id)s AND {};

-- name: counts
-- How many requests stand where; a status without any is left out.
SELECT status, count(*) FROM cabinet.requests WHERE {} GROUP BY status;

-- name: tell_changed
-- Tell who listens (open pages) when this transaction commits.
SELECT pg_notify(%s, %s);

-- name: load_rows
-- Rows of these requests; one that does not exist is left out.
SELECT request_id, {} FROM {} WHERE request_id = ANY(%b);

-- name: write_groups
-- Write the changed groups of these requests; the other groups of a row stay as they are.
INSERT INTO {table} (request_id, {columns})
SELECT id, {values} FROM unnest(%b::uuid[], {arrays}) AS u(id, {columns})
ON CONFLICT (request_id) DO UPDATE SET {kept};

-- name: copy_rows
-- Fill a table that is not in use yet, by COPY.
COPY {} (request_id, {}) FROM STDIN;
