-- Documents of statements that can't be booked without a person: the loader writes them, like statements and what was
-- sent; they are no part of the fold.

CREATE TABLE odd_documents (
    id text PRIMARY KEY,
    statement text NOT NULL,
    line int NOT NULL,
    kind text NOT NULL,
    amount numeric(15, 2),
    problems text[] NOT NULL,
    body text NOT NULL,
    document_id text,
    message jsonb,
    seen_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    closed_by text,
    note text
);
COMMENT ON COLUMN odd_documents.document_id IS 'The id that it has as a payment or return, where all of it can be read';
COMMENT ON COLUMN odd_documents.message IS 'What billing is told if a person says that it counts';
CREATE INDEX odd_documents_open ON odd_documents (seen_at) WHERE closed_at IS NULL;

CREATE VIEW waiting_documents AS
    SELECT o.*, s.name AS statement_name
    FROM odd_documents o LEFT JOIN statements s ON s.sha256 = o.statement
    WHERE o.closed_at IS NULL AND NOT EXISTS (SELECT FROM sent WHERE sent.id = o.document_id);
COMMENT ON VIEW waiting_documents IS 'Odd documents that nobody has dealt with, nor a later statement with a total';
