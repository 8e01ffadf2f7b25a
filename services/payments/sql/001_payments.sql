-- What operations and accountants look at: money, invoices, sales and their documents, folded from the log. Each column
-- is written by events of one topic alone, so the order between topics does not matter. Statements and what was sent of
-- them are the one part that is not folded: the loader writes them.

CREATE TABLE statements (
    sha256 text PRIMARY KEY,
    name text NOT NULL,
    way text NOT NULL,
    loaded_by text NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    first_day date NOT NULL,
    last_day date NOT NULL,
    accounts text[] NOT NULL,
    report jsonb NOT NULL
);
COMMENT ON TABLE statements IS 'Files that were taken, by the SHA-256 of their bytes, which lie in the store of blobs';

CREATE TABLE sent (
    id text PRIMARY KEY,
    statement text NOT NULL,
    sent_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sent IS 'Payments and returns that lie on bank.payments: an overlapping statement sends them no second time';

CREATE TABLE reported (
    id text PRIMARY KEY,
    incoming boolean NOT NULL,
    amount numeric(15, 2) NOT NULL,
    moved_on date NOT NULL,
    other_inn text NOT NULL,
    purpose text NOT NULL,
    number text,
    issued_on date,
    other_name text,
    other_account text,
    our_account text,
    statement text
);
COMMENT ON TABLE reported IS 'Payments and returns as the bank tells them, the first telling of each';

CREATE TABLE booked (
    id text PRIMARY KEY,
    incoming boolean NOT NULL,
    amount numeric(15, 2) NOT NULL,
    moved_on date NOT NULL,
    other_inn text NOT NULL,
    place uuid NOT NULL,
    invoice text,
    payment_id text,
    purpose text,
    reason_code text,
    reason text,
    effect text NOT NULL,
    booked_at timestamptz NOT NULL
);
COMMENT ON TABLE booked IS 'What billing made of payments and returns, and of parts of them that were matched by hand';
COMMENT ON COLUMN booked.id IS 'Of a part: the whole one''s, # and its number';
COMMENT ON COLUMN booked.effect IS 'received, unmatched (came); refund, reversal, return, unmatched (went)';
CREATE INDEX booked_of_place ON booked (place);
CREATE INDEX booked_of_invoice ON booked (invoice);

CREATE TABLE parts (
    payment_id text NOT NULL,
    part int NOT NULL,
    amount numeric(15, 2) NOT NULL,
    invoice text,
    ordered_by text,
    note text,
    at timestamptz NOT NULL,
    PRIMARY KEY (payment_id, part)
);
COMMENT ON TABLE parts IS 'Parts of unmatched payments: put to an invoice, or (invoice is null) on their way back';

CREATE TABLE invoices (
    number text PRIMARY KEY,
    request_id uuid NOT NULL,
    issued_on date,
    amount numeric(15, 2),
    vat_rate numeric(5, 2),
    payer_id text,
    payer_inn text,
    paid numeric(15, 2),
    due numeric(15, 2),
    overpaid numeric(15, 2),
    owed numeric(15, 2),
    is_debt boolean
);
COMMENT ON COLUMN invoices.owed IS 'What is to go back to the payer';
CREATE INDEX invoices_of_request ON invoices (request_id);
CREATE INDEX invoices_of_payer ON invoices (payer_inn);

CREATE TABLE refunds (
    refund_id text NOT NULL,
    invoice text NOT NULL,
    amount numeric(15, 2) NOT NULL,
    cause text NOT NULL,
    ordered_by text,
    note text,
    at timestamptz NOT NULL,
    PRIMARY KEY (invoice, refund_id)
);

CREATE TABLE sales (
    request_id uuid PRIMARY KEY,
    channel text,
    partner_id text,
    partner_name text,
    partner_inn text,
    partner_kpp text,
    distributor_id text,
    distributor_name text,
    distributor_inn text,
    distributor_kpp text,
    product text,
    client text,
    amount numeric(15, 2),
    vat_rate numeric(5, 2),
    approved_on date,
    confirmed_on date,
    declined_on date,
    closed_on date,
    closed text,
    ordered_on date,
    shipped_on date,
    kit text
);
COMMENT ON TABLE sales IS 'Approved requests; days are Moscow''s';
CREATE INDEX sales_of_partner ON sales (partner_id);
CREATE INDEX sales_of_distributor ON sales (distributor_id);

CREATE TABLE documents (
    request_id uuid NOT NULL,
    document_id text NOT NULL,
    kind text,
    number text,
    issued_on date,
    recipient_id text,
    dispatched_on date,
    signed_on date,
    declined_on date,
    PRIMARY KEY (request_id, document_id)
);

CREATE TABLE orders (
    order_id text PRIMARY KEY,
    payment_id text,
    return_id text,
    invoice text,
    amount numeric(15, 2),
    ordered_by text NOT NULL,
    note text,
    code text,
    reason text,
    at timestamptz NOT NULL
);
COMMENT ON TABLE orders IS 'What operations decided about money by hand; with code and reason: refused by billing';

CREATE TABLE marks (
    name text PRIMARY KEY,
    "offset" bigint NOT NULL,
    position bigint NOT NULL
) WITH (fillfactor = 20);

CREATE TABLE unread (
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    type text NOT NULL,
    reason text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, "offset")
);

CREATE VIEW unmatched_payments AS
    SELECT b.id AS payment_id, b.amount, b.amount - coalesce(p.taken, 0) AS left_over, b.moved_on AS received_on,
        b.other_inn AS payer_inn, coalesce(r.other_name, '') AS payer_name, r.number, r.issued_on,
        coalesce(b.purpose, r.purpose, '') AS purpose, b.reason_code, b.reason, b.place, coalesce(p.parts, 0) AS parts
    FROM booked b
        LEFT JOIN reported r USING (id)
        LEFT JOIN (SELECT payment_id, sum(amount) AS taken, count(*) AS parts FROM parts GROUP BY payment_id) p
            ON p.payment_id = b.id
    WHERE b.incoming AND b.effect = 'unmatched' AND b.amount > coalesce(p.taken, 0);
COMMENT ON VIEW unmatched_payments IS 'The queue of operations: money that came and counts for nothing yet';

CREATE VIEW unmatched_returns AS
    SELECT b.id AS return_id, b.amount, b.moved_on AS paid_on, b.other_inn AS payee_inn,
        coalesce(r.other_name, '') AS payee_name, r.number, r.issued_on, coalesce(b.purpose, r.purpose, '') AS purpose,
        b.reason_code, b.reason
    FROM booked b
        LEFT JOIN reported r USING (id)
    WHERE NOT b.incoming AND b.effect = 'unmatched'
        AND NOT EXISTS (SELECT FROM booked m WHERE m.id = b.id || '#1');
COMMENT ON VIEW unmatched_returns IS 'Money that went back, nobody has said for what';

CREATE VIEW to_return AS
    SELECT i.number AS invoice, NULL::text AS payment_id, i.owed AS amount, i.payer_inn AS payee_inn,
        coalesce(s.partner_name, '') AS payee_name, i.request_id,
        'Возврат оплаты по счету № ' || i.number || ' от ' || to_char(i.issued_on, 'DD.MM.YYYY') AS purpose
    FROM invoices i LEFT JOIN sales s USING (request_id)
    WHERE i.owed > 0
    UNION ALL
    SELECT NULL, p.payment_id, p.amount - coalesce(b.gone, 0), w.other_inn, coalesce(r.other_name, ''), NULL,
        'Возврат ошибочно перечисленных средств, платёж ' || p.payment_id
    FROM (SELECT payment_id, sum(amount) AS amount FROM parts WHERE invoice IS NULL GROUP BY payment_id) p
        JOIN booked w ON w.id = p.payment_id
        LEFT JOIN reported r ON r.id = p.payment_id
        LEFT JOIN (SELECT payment_id, sum(amount) AS gone FROM booked WHERE effect = 'return' GROUP BY payment_id) b
            ON b.payment_id = p.payment_id
    WHERE p.amount > coalesce(b.gone, 0);
COMMENT ON VIEW to_return IS 'Refunds that are owed, with the purpose to write so that the statement is recognised';
