-- Machine-readable powers of attorney (МЧД) by number.
ALTER TABLE entries DROP CONSTRAINT entries_kind_check;
ALTER TABLE entries ADD CONSTRAINT entries_kind_check
    CHECK (kind IN ('partner', 'distributor', 'base_delivery', 'product', 'power_of_attorney'));
