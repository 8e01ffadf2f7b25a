-- An overpayment that is credited to another invoice of the same partner leaves the one and counts for the other. The part
-- that counts has the id of what was parked, with its number behind it.

CREATE OR REPLACE VIEW movements AS
    SELECT CASE WHEN channel = 'direct' THEN 'partner' ELSE 'distributor' END AS party_kind,
        coalesce(distributor_id, partner_id) AS party_id, request_id, shipped_on AS day, 'delivery' AS kind,
        amount AS debit, 0::numeric(15, 2) AS credit, kit AS reference, NULL::date AS reference_day, partner_name, product
    FROM sales
    WHERE shipped_on IS NOT NULL
    UNION ALL
    SELECT 'partner', i.payer_id, i.request_id, b.moved_on,
        CASE WHEN b.id ~ '^oc-[0-9a-f]{16}#1#[0-9]+$' THEN 'credited-to' ELSE b.effect END,
        CASE WHEN b.incoming THEN 0 ELSE b.amount END, CASE WHEN b.incoming THEN b.amount ELSE 0 END,
        r.number, r.issued_on, NULL, i.number
    FROM booked b
        JOIN invoices i ON i.number = b.invoice
        LEFT JOIN reported r ON r.id = split_part(b.id, '#', 1)
    WHERE b.effect IN ('received', 'refund', 'reversal', 'credited');
