-- What came above an invoice is owed back, too: until operations have ordered its return, as `overpaid`.

CREATE OR REPLACE VIEW to_return AS
    SELECT i.number AS invoice, NULL::text AS payment_id, o.amount, i.payer_inn AS payee_inn,
        coalesce(s.partner_name, '') AS payee_name, i.request_id,
        'Возврат оплаты по счету № ' || i.number || ' от ' || to_char(i.issued_on, 'DD.MM.YYYY') AS purpose, o.cause
    FROM invoices i LEFT JOIN sales s USING (request_id)
        CROSS JOIN LATERAL (VALUES ('ordered', i.owed), ('overpaid', i.overpaid - i.owed)) AS o (cause, amount)
    WHERE o.amount > 0
    UNION ALL
    SELECT NULL, p.payment_id, p.amount - coalesce(b.gone, 0), w.other_inn, coalesce(r.other_name, ''), NULL,
        'Возврат ошибочно перечисленных средств, платёж ' || p.payment_id, 'ordered'
    FROM (SELECT payment_id, sum(amount) AS amount FROM parts WHERE invoice IS NULL GROUP BY payment_id) p
        JOIN booked w ON w.id = p.payment_id
        LEFT JOIN reported r ON r.id = p.payment_id
        LEFT JOIN (SELECT payment_id, sum(amount) AS gone FROM booked WHERE effect = 'return' GROUP BY payment_id) b
            ON b.payment_id = p.payment_id
    WHERE p.amount > coalesce(b.gone, 0);
COMMENT ON VIEW to_return IS 'What is owed back, with the purpose to write so that the statement is recognised';
