-- What waits, for what, for whom and since when: one row for each thing that somebody still has to do.
-- The conditions are those of the statuses in services/cabinet/sql/001_cabinet.sql.
SELECT waits_for, request_id, partner_id, distributor_id, since::timestamptz AS since, document, number
FROM (
    SELECT
        CASE status
            WHEN 'submitted' THEN 'approval'
            WHEN 'awaiting-confirmation' THEN CASE WHEN billing ? 'confirmed_at' THEN 'order' ELSE 'confirmation' END
            WHEN 'awaiting-payment' THEN CASE WHEN (billing ->> 'due')::numeric = 0 THEN 'order' ELSE 'payment' END
            WHEN 'manufacturing' THEN 'kit'
            ELSE 'activation'
        END AS waits_for,
        request_id, partner_id, distributor_id,
        CASE status
            WHEN 'submitted' THEN submitted_at
            WHEN 'awaiting-confirmation' THEN coalesce(billing ->> 'confirmed_at', approval ->> 'approved_at')
            WHEN 'awaiting-payment' THEN
                CASE WHEN (billing ->> 'due')::numeric = 0 THEN billing #>> '{payments,-1,at}'
                ELSE coalesce(billing #>> '{invoice,issued_at}', approval ->> 'approved_at') END
            WHEN 'manufacturing' THEN shipping ->> 'ordered_at'
            ELSE shipping ->> 'shipped_at'
        END AS since,
        NULL::text AS document, number
    FROM cabinet.requests
    WHERE status IN ('submitted', 'awaiting-confirmation', 'awaiting-payment', 'manufacturing', 'shipped')
    UNION ALL
    SELECT 'signature', request_id, partner_id, distributor_id, coalesce(d.value ->> 'dispatched_at', d.value ->> 'issued_at'),
        d.key, number
    FROM cabinet.requests, jsonb_each(shipping -> 'documents') AS d
    WHERE jsonb_path_exists(shipping, '$.documents.* ? (!exists(@.signed_at) && @.kind != "invoice")')
        AND status NOT IN ('withdrawn', 'declined')
        AND NOT d.value ? 'signed_at' AND d.value ->> 'kind' <> 'invoice'
) AS waiting
