-- What a payment that was sent is known by beside its id, so that a statement with the bank's own day shows the same payment
-- as one with the other side's day only. Rows from before have nothing of it.
ALTER TABLE sent
    ADD COLUMN bank_order text,
    ADD COLUMN moved_on date,
    ADD COLUMN other_day date,
    ADD COLUMN copy int,
    ADD COLUMN by_other_day boolean,
    ADD COLUMN same_as text;
CREATE INDEX sent_by_order ON sent (bank_order) WHERE bank_order IS NOT NULL;
COMMENT ON COLUMN sent.bank_order IS 'The document without its days on the accounts: number, date, sum, accounts, hashed';
COMMENT ON COLUMN sent.by_other_day IS 'moved_on is the day of the other side: the bank had not given its own';
COMMENT ON COLUMN sent.same_as IS 'Not sent itself: it is the payment that was sent under this id';
