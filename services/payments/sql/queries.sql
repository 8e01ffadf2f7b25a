-- Statements of services.payments, by name: `postavka.kernel.store.queries` loads them.

-- name: sent
-- Reads which payments and returns of these ids, or of these orders of the bank, lie on the topic.
SELECT id, bank_order, moved_on, other_day, copy, by_other_day, same_as
FROM sent
WHERE id = ANY(%s) OR bank_order = ANY(%s);

-- name: note_statement
-- Adds a statement that was taken; gives nothing if this very file was noted before.
INSERT INTO statements (sha256, name, way, loaded_by, first_day, last_day, accounts, report)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
RETURNING 1;

-- name: note_sent
-- Adds payments and returns that lie on the topic; with the SHA-256 of their statement, or the odd document's id.
INSERT INTO sent (id, statement, bank_order, moved_on, other_day, copy, by_other_day, same_as)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (id)
DO UPDATE SET bank_order = coalesce(sent.bank_order, excluded.bank_order), moved_on = coalesce(sent.moved_on,
    excluded.moved_on), other_day = coalesce(sent.other_day, excluded.other_day), copy = coalesce(sent.copy,
    excluded.copy), by_other_day = coalesce(sent.by_other_day, excluded.by_other_day);

-- name: figures
-- Counts what is unmatched, odd or to return, with the age of the oldest, for metrics.
SELECT (SELECT count(*) FROM unmatched_payments), (SELECT count(*) FROM unmatched_returns), (SELECT count(*) FROM
    waiting_documents), (SELECT count(*) FROM to_return), (SELECT coalesce(extract(epoch FROM now() - min(since)),
    0)::float8 FROM (SELECT booked_at AS since FROM booked WHERE id IN (SELECT payment_id FROM unmatched_payments
    UNION SELECT return_id FROM unmatched_returns) UNION ALL SELECT seen_at FROM waiting_documents) AS waits);

-- name: add_odd_document
-- Adds an odd document; one that is on the list stays as it is, dealt with or not.
INSERT INTO odd_documents (id, statement, line, kind, amount, problems, body, document_id, message)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING;

-- name: message
-- Reads what billing would be sent of an odd document that waits and can be read in full.
SELECT message FROM waiting_documents WHERE id = %s;

-- name: close
-- Writes that a person has dealt with an odd document: who and why.
UPDATE odd_documents SET closed_at = now(), closed_by = %s, note = %s WHERE id = %s AND closed_at IS NULL;

-- name: upsert
-- Adds rows given as a JSON array, or completes those that are there.
INSERT INTO {table} ({columns})
SELECT {columns}
FROM jsonb_to_recordset(%s::jsonb) AS r({typed})
ON CONFLICT ({keys})
DO UPDATE SET {changes};

-- name: balances
-- Sums up each party's movements before a month.
SELECT party_kind, party_id, sum(debit - credit) AS balance FROM movements WHERE day < %s GROUP BY 1, 2;

-- name: movements
-- Reads the movements of a month.
SELECT * FROM movements WHERE day BETWEEN %s AND %s ORDER BY day, kind, reference, request_id;

-- name: invoices
-- Reads the invoices of direct sales with what was paid, for a reconciliation.
SELECT i.request_id, i.number, i.issued_on, i.amount, i.payer_id, s.shipped_on, s.ordered_on, s.closed_on, coalesce(sum(CASE WHEN
    b.incoming THEN b.amount ELSE -b.amount END), 0) AS paid
FROM invoices i
JOIN sales s USING (request_id)
LEFT JOIN booked b ON b.invoice = i.number AND b.moved_on <= %(last)s AND b.effect IN ('received', 'refund',
    'reversal', 'credited')
WHERE i.issued_on <= %(last)s
GROUP BY i.number, s.request_id
ORDER BY i.number;

-- name: confirmations
-- Reads the sales through distributors that are not answered, or confirmed and not delivered, for a reconciliation.
SELECT request_id, distributor_id, partner_name, product, client, amount, approved_on, confirmed_on
FROM sales
WHERE channel = 'distributor' AND approved_on <= %(last)s AND (declined_on IS NULL OR declined_on > %(last)s) AND
    (closed_on IS NULL OR closed_on > %(last)s) AND (shipped_on IS NULL OR shipped_on > %(last)s)
ORDER BY approved_on, request_id;

-- name: documents
-- Reads the documents that have not come back signed (L16), for a reconciliation.
SELECT d.request_id, d.kind, d.number, d.issued_on, s.channel, coalesce(s.distributor_id, s.partner_id) AS party_id
FROM documents d
JOIN sales s USING (request_id)
WHERE d.kind = ANY(%(kinds)s) AND d.issued_on <= %(last)s AND (d.signed_on IS NULL OR d.signed_on > %(last)s) AND
    (s.closed_on IS NULL OR s.closed_on > %(last)s)
ORDER BY d.issued_on, d.number;

-- name: unmatched_until
-- Reads the unmatched payments until a day, for a reconciliation.
SELECT * FROM unmatched_payments WHERE received_on <= %s ORDER BY received_on, payment_id;

-- name: unmatched_payments
-- Reads the unmatched payments, the oldest first.
SELECT * FROM unmatched_payments WHERE {} ORDER BY received_on, payment_id LIMIT %(limit)s;

-- name: unmatched_payment
-- Reads one payment that is unmatched.
SELECT * FROM unmatched_payments WHERE payment_id = %s;

-- name: unmatched_return
-- Reads one return that nobody has explained.
SELECT * FROM unmatched_returns WHERE return_id = %s;

-- name: waiting_document
-- Reads one odd document that waits.
SELECT * FROM waiting_documents WHERE id = %s;

-- name: ids_beginning
-- Reads the ids of payments, returns and odd documents that begin so, for a person who types one; nine are too many.
SELECT id FROM reported WHERE starts_with(id, %(begun)s) UNION SELECT id FROM waiting_documents
WHERE starts_with(id, %(begun)s) ORDER BY id LIMIT 9;

-- name: overpaid
-- Reads what came above one invoice.
SELECT * FROM to_return WHERE invoice = %s AND cause = 'overpaid';

-- name: invoice
-- Reads one invoice, with the partner of its sale.
SELECT i.request_id, i.number, i.issued_on, i.amount, i.due, i.payer_id, i.payer_inn, s.partner_name
FROM invoices i
LEFT JOIN sales s USING (request_id)
WHERE i.number = %s;

-- name: candidates
-- Reads open invoices that an unmatched payment may be for, the likeliest first: those that its purpose names, of its
-- payer, with exactly its sum due. A suggestion: a person decides.
SELECT *
FROM (SELECT i.request_id, i.number, i.issued_on, i.amount, i.due, i.payer_id, i.payer_inn, s.partner_name, i.number =
    ANY(%(named)s) AS same_number, i.payer_inn = %(inn)s AS same_payer, i.due = %(left)s AS same_sum FROM invoices i
    LEFT JOIN sales s USING (request_id) WHERE i.due > 0 AND s.closed IS NULL) AS open_invoices
WHERE same_number OR same_payer OR same_sum
ORDER BY same_number DESC, same_payer DESC, same_sum DESC, issued_on, number
LIMIT %(limit)s;

-- name: credit_targets
-- Reads the open invoices of the partner that has overpaid one, for a credit: with exactly that sum due first, then the
-- oldest.
SELECT i.request_id, i.number, i.issued_on, i.due, s.partner_name, i.due = %(amount)s AS same_sum
FROM invoices i
LEFT JOIN sales s USING (request_id)
WHERE i.payer_id = (SELECT payer_id FROM invoices WHERE number = %(invoice)s) AND i.due > 0 AND s.closed IS NULL
ORDER BY same_sum DESC, i.issued_on, i.number
LIMIT %(limit)s;

-- name: unmatched_returns
-- Reads the returns of which nobody has said for what they are, the oldest first.
SELECT * FROM unmatched_returns WHERE {} ORDER BY paid_on, return_id LIMIT %(limit)s;

-- name: waiting_documents
-- Reads the odd documents that wait for a person, the oldest first. One with a `message` can be read in full.
SELECT * FROM waiting_documents WHERE {} ORDER BY seen_at, line LIMIT %(limit)s;

-- name: to_return
-- Reads what is owed back. `cause`: its return is `ordered`, or it was `overpaid` and nobody has ordered that yet.
SELECT * FROM to_return WHERE {} ORDER BY invoice NULLS LAST, cause, payment_id LIMIT %(limit)s;

-- name: debts
-- Reads the invoices that were paid, opened the gate, and are not paid any more.
SELECT i.*, s.partner_name
FROM invoices i
LEFT JOIN sales s USING (request_id)
WHERE i.is_debt AND i.due > 0 AND s.closed IS NULL AND {}
ORDER BY i.number
LIMIT %(limit)s;

-- name: outcome_of
-- Reads what billing made of an order; `code` and `reason` say why it was refused.
SELECT * FROM orders WHERE order_id = %s;

-- name: statements
-- Reads the files that were taken, the newest first.
SELECT * FROM statements ORDER BY loaded_at DESC LIMIT %s;

-- name: payment
-- Reads everything about one payment or return: as reported, as booked, and its parts.
SELECT r.*, b.effect, b.invoice, b.reason, b.place FROM reported r LEFT JOIN booked b USING (id) WHERE r.id = %s;
