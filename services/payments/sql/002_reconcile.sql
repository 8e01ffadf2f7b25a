-- What reconciliation is made of: everything that changes what a partner (direct sale) or a distributor owes us.

CREATE VIEW movements AS
    SELECT CASE WHEN channel = 'direct' THEN 'partner' ELSE 'distributor' END AS party_kind,
        coalesce(distributor_id, partner_id) AS party_id, request_id, shipped_on AS day, 'delivery' AS kind,
        amount AS debit, 0::numeric(15, 2) AS credit, kit AS reference, NULL::date AS reference_day, partner_name, product
    FROM sales
    WHERE shipped_on IS NOT NULL
    UNION ALL
    SELECT 'partner', i.payer_id, i.request_id, b.moved_on, b.effect,
        CASE WHEN b.incoming THEN 0 ELSE b.amount END, CASE WHEN b.incoming THEN b.amount ELSE 0 END,
        r.number, r.issued_on, NULL, i.number
    FROM booked b
        JOIN invoices i ON i.number = b.invoice
        LEFT JOIN reported r ON r.id = split_part(b.id, '#', 1)
    WHERE b.effect IN ('received', 'refund', 'reversal');
COMMENT ON VIEW movements IS 'A delivery is a debit, money that came a credit; product holds the invoice''s number for money';

CREATE INDEX sales_shipped ON sales (shipped_on);
CREATE INDEX booked_moved ON booked (moved_on);
CREATE INDEX documents_unsigned ON documents (issued_on) WHERE signed_on IS NULL;
