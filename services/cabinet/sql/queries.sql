-- Statements of services.cabinet, by name: `postavka.kernel.store.queries` loads them.

-- name: sold
-- Reads what was sold under a registration number, for an activation by a visitor.
SELECT request_id, code, product, status, activation FROM cabinet.sold_under(%s);

-- name: names
-- Reads names for the ids that events bear. A distributor learns the partner's, not its people's.
SELECT login, name FROM accounts.users WHERE login = ANY(%s) AND partner_id = %s;

-- name: forget_unread
-- Removes a record from those that could not be read.
DELETE FROM unread WHERE topic = %s AND partition = %s AND "offset" = %s;

-- name: readable
-- Reads the records that were put aside for their type, which may be known by now.
SELECT topic, partition, "offset", type
FROM unread
WHERE topic || '/' || partition = ANY(%s) AND reason LIKE 'the type %% is not known %%';

-- name: page
-- Reads one page of a list, in an order of time or price.
WITH places AS MATERIALIZED (SELECT request_id FROM cabinet.requests WHERE {} ORDER BY {order}, request_id
    LIMIT %(size)s)
SELECT r.request_id, r.status, r.submitted_at, r.partner_id, r.distributor_id, r.request, r.approval, r.billing,
    r.shipping, r.activation, r.renewal
FROM cabinet.requests r
WHERE r.request_id = ANY (ARRAY(SELECT request_id FROM places)) AND {}
ORDER BY {order}, r.request_id;

-- name: totals
-- Counts what a filter leaves of a list, with the sum of its prices.
SELECT count(*), coalesce(sum(amount), 0) FROM cabinet.requests WHERE {};

-- name: partners
-- Reads the partners whose requests a distributor has, to choose one by.
SELECT DISTINCT partner_id FROM cabinet.requests WHERE {} ORDER BY partner_id;

-- name: found
-- Reads the ids of the requests that a search finds, from the index of words; null if they are too many.
SELECT cabinet.requests_found(%(words)s, %(least_id)s, %(greatest_id)s, %(most)s);

-- name: several
-- Reads the rows of these requests; none where it is another tenant's: nobody can tell that from one that isn't there.
SELECT request_id, status, submitted_at, partner_id, distributor_id, request, approval, billing, shipping,
    activation, renewal
FROM cabinet.requests
WHERE request_id = ANY(%(ids)s) AND {};

-- name: counts
-- Counts the requests by status; a status without any is left out.
SELECT status, count(*) FROM cabinet.requests WHERE {} GROUP BY status;

-- name: ending
-- Reads one page of the services that end between two days, the nearest end first.
SELECT r.request_id, r.status, r.submitted_at, r.partner_id, r.distributor_id, r.request, r.approval, r.billing,
    r.shipping, r.activation, r.renewal
FROM cabinet.requests r
WHERE {} AND {} AND r.renewal ->> 'service_until' BETWEEN %(since)s AND %(until)s
    AND (r.renewal ->> 'service_until', r.request_id) > (%(after_day)s, %(after_id)s)
ORDER BY r.renewal ->> 'service_until', r.request_id
LIMIT %(size)s;

-- name: ending_totals
-- Counts the services that end between two days and that nothing is to prolong yet, with their prices, by product.
SELECT r.approval -> 'product' ->> 'id', count(*), sum((r.approval -> 'product' ->> 'price')::numeric)
FROM cabinet.requests r
WHERE {} AND {} AND r.renewal ->> 'service_until' BETWEEN %(since)s AND %(until)s
GROUP BY 1;

-- name: ends_by_month
-- Counts the services that end in each month by partner, those of them that nothing is to prolong, and the prices of these.
SELECT left(r.renewal ->> 'service_until', 7), r.partner_id, count(*), count(*) FILTER (WHERE open),
    coalesce(sum((r.approval -> 'product' ->> 'price')::numeric) FILTER (WHERE open), 0)
FROM cabinet.requests r, LATERAL (SELECT {} AS open) o
WHERE {} AND r.renewal ->> 'service_until' BETWEEN %(since)s AND %(until)s
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: renewals_under_way
-- Reads the renewals of these services that are on their way, the newest last.
SELECT request_id, status, submitted_at, partner_id, distributor_id, request, approval, billing, shipping,
    activation, renewal
FROM cabinet.requests
WHERE request ->> 'renews' = ANY(%(named)s) AND status <> ALL(%(over)s) AND {}
ORDER BY submitted_at;

-- name: calendar_made
-- Keeps the digest of a new address for the calendar; the former one of this user opens nothing any more.
INSERT INTO cabinet.calendar_addresses (user_id, digest, partner_id) VALUES (%s, %s, %s)
ON CONFLICT (user_id) DO UPDATE SET digest = excluded.digest, partner_id = excluded.partner_id, made_at = now();

-- name: calendar_of
-- Reads whose calendar an address opens, if that user is still open and of the same partner.
SELECT u.user_id::text, u.name, u.login, c.partner_id
FROM cabinet.calendar_addresses c
JOIN accounts.users u USING (user_id)
WHERE c.digest = %s AND u.disabled_at IS NULL AND u.role = 'partner' AND u.partner_id = c.partner_id;

-- name: notify_changed
-- Notifies open pages of a change when this transaction commits.
SELECT pg_notify(%s, %s);

-- name: load_rows
-- Reads the rows of these requests, for the fold; one that does not exist is left out.
SELECT request_id, {} FROM {} WHERE request_id = ANY(%b);

-- name: write_groups
-- Writes the changed groups of these requests; the other groups of a row stay as they are.
INSERT INTO {table} (request_id, {columns})
SELECT id, {values} FROM unnest(%b::uuid[], {arrays}) AS u(id, {columns})
ON CONFLICT (request_id) DO UPDATE SET {kept};

-- name: copy_rows
-- Copies rows into a table that is not in use yet.
COPY {} (request_id, {}) FROM STDIN;

-- name: keep_unchecked
-- Keeps that the register did not agree to this client; asked again for the same request, the last answer counts.
INSERT INTO cabinet.unchecked_clients (request_id, why)
VALUES (%s, %s)
ON CONFLICT (request_id)
DO UPDATE SET why = excluded.why WHERE unchecked_clients.checked_at IS NULL;

-- name: set_checked
-- Notes that somebody has checked a client.
UPDATE cabinet.unchecked_clients SET checked_by = %s, checked_at = now() WHERE request_id = %s AND checked_at IS NULL;

-- name: unchecked_clients
-- Reads clients that nobody has checked yet, of requests that are there and have not ended.
SELECT u.request_id, u.why, u.noted_at, r.request ->> 'buyer', r.request ->> 'inn', r.request ->> 'kpp', r.partner_id,
    r.number
FROM cabinet.unchecked_clients u
JOIN cabinet.requests r USING (request_id)
WHERE u.checked_at IS NULL AND r.status NOT IN ('withdrawn', 'rejected', 'declined') AND
    (%s::uuid IS NULL OR u.request_id = %s)
ORDER BY u.noted_at
LIMIT %s;

-- name: see_all
-- Lets this transaction see the requests of all partners.
SET LOCAL app.scope = 'all';

-- name: running_under
-- Reads the requests of a tenant in these statuses with one of these registration numbers, which the searched text begins
-- with: second requests for the same are found among them.
SELECT request_id, status, submitted_at, partner_id, distributor_id, request, approval, billing, shipping,
    activation, renewal
FROM cabinet.requests
WHERE request_id = ANY (ARRAY(
    SELECT request_id FROM cabinet.requests
    WHERE {} AND status = ANY(%(statuses)s) AND split_part(search, ' ', 1) = ANY(%(registrations)s)
    ORDER BY submitted_at DESC LIMIT %(size)s
)) AND {};

-- name: keep_bulk
-- Keeps many requests that came at once; the same again changes nothing.
INSERT INTO cabinet.bulk (bulk_id, name, partner_id, actor, rows)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (bulk_id) DO NOTHING;

-- name: bulk
-- Reads many requests that came at once, for their own partner.
SELECT name, actor, created_at, rows FROM cabinet.bulk WHERE bulk_id = %s AND partner_id = %s;

-- name: set_bulk_rows
-- Writes what has become of the rows.
UPDATE cabinet.bulk SET rows = %s WHERE bulk_id = %s AND partner_id = %s;

-- name: expire_bulk
-- Removes what was kept for so long.
DELETE FROM cabinet.bulk WHERE created_at < now() - %s;

-- name: keep_draft
-- Keeps what a user has typed, in place of what it was before.
INSERT INTO cabinet.drafts (user_id, partner_id, request_id, typed)
VALUES (%s, %s, %s, %s)
ON CONFLICT (user_id, partner_id, request_id) DO UPDATE SET typed = excluded.typed, changed_at = now();

-- name: trim_drafts
-- Removes a user's oldest drafts: so many stay.
DELETE FROM cabinet.drafts
WHERE user_id = %(user)s AND partner_id = %(partner)s AND request_id IN (
    SELECT request_id FROM cabinet.drafts WHERE user_id = %(user)s AND partner_id = %(partner)s
    ORDER BY changed_at DESC OFFSET %(most)s);

-- name: drafts
-- Reads a user's drafts, the newest first, without those whose request has come.
SELECT d.request_id, d.changed_at, d.typed
FROM cabinet.drafts d
WHERE d.user_id = %s AND d.partner_id = %s
    AND NOT EXISTS (SELECT FROM cabinet.requests r WHERE r.request_id = d.request_id)
ORDER BY d.changed_at DESC;

-- name: forget_draft
-- Removes a draft of its user.
DELETE FROM cabinet.drafts WHERE user_id = %s AND partner_id = %s AND request_id = %s;

-- name: expire_drafts
-- Removes drafts that nobody has touched for so long.
DELETE FROM cabinet.drafts WHERE changed_at < now() - %s;

-- name: to_sign
-- Reads the requests with a document that waits for the signature of this tenant, the oldest first.
SELECT request_id, status, submitted_at, partner_id, distributor_id, request, approval, billing, shipping,
    activation, renewal
FROM cabinet.requests
WHERE request_id = ANY (ARRAY(
    SELECT request_id FROM cabinet.requests
    WHERE {} AND status <> ALL(%(ended)s) AND EXISTS (
        SELECT FROM jsonb_each(shipping -> 'documents') AS d(id, document)
        WHERE document ->> 'recipient_id' = %(tenant)s AND document ->> 'kind' = ANY(%(kinds)s) AND
            document ? 'issued_at' AND NOT document ? 'signed_at'
    )
    ORDER BY submitted_at, request_id LIMIT %(size)s
)) AND {}
ORDER BY submitted_at, request_id;

-- name: preview
-- Reads the picture of a document that somebody looks at.
SELECT picture FROM cabinet.previews WHERE pdf_sha256 = %s;

-- name: keep_preview
-- Keeps the picture of a document, for whoever looks at it next.
INSERT INTO cabinet.previews (pdf_sha256, picture) VALUES (%s, %s) ON CONFLICT DO NOTHING;

-- name: expire_previews
-- Removes pictures that were made so long ago.
DELETE FROM cabinet.previews WHERE made_at < now() - %s;
