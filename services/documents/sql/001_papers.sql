-- Documents and where they are. `sales`, `invoices`, `documents` and `answers` are folded from shipping.events and can
-- be folded anew; `work` and `exchange` are what this part has done itself, and are lost with the schema: then the log
-- still tells what has left, and the operator's idempotency key keeps the rest from being sent twice.

CREATE TABLE marks (
    name text PRIMARY KEY,
    "offset" bigint NOT NULL,
    position bigint NOT NULL
);

CREATE TABLE unread (
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    type text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);

CREATE TABLE sales (
    request_id uuid PRIMARY KEY,
    partner_id text NOT NULL,
    distributor_id text,
    facts jsonb NOT NULL,
    closed_at timestamptz
);
COMMENT ON COLUMN sales.facts IS 'ShippingOpened: all that its documents are made of';

CREATE TABLE invoices (
    request_id uuid PRIMARY KEY,
    amount numeric(15, 2) NOT NULL,
    vat_rate numeric(5, 2) NOT NULL
);

CREATE TABLE documents (
    request_id uuid NOT NULL,
    document_id text NOT NULL,
    kind text NOT NULL,
    number text NOT NULL,
    issued_on date NOT NULL,
    issued_at timestamptz,
    recorded_at timestamptz NOT NULL,
    recipient_id text NOT NULL,
    partner_id text,
    distributor_id text,
    signer_inn text NOT NULL,
    delivery text NOT NULL,
    form text NOT NULL,
    sha256 text NOT NULL,
    rendering_form text,
    rendering_sha256 text,
    dispatched_at timestamptz,
    dispatch_id text,
    tracking text,
    signed_at timestamptz,
    signed_form text,
    signed_sha256 text,
    signature_sha256 text,
    certificate_serial text,
    certificate_subject text,
    PRIMARY KEY (request_id, document_id)
);
COMMENT ON COLUMN documents.recorded_at IS 'Time of the event DocumentIssued';
COMMENT ON COLUMN documents.partner_id IS 'Of the recipient if it is a partner; likewise distributor_id: the tenant it belongs to';
CREATE INDEX documents_of_bytes ON documents (sha256);
CREATE INDEX documents_of_rendering ON documents (rendering_sha256);
CREATE INDEX documents_of_signed ON documents (signed_sha256);
CREATE INDEX documents_of_signature ON documents (signature_sha256);
CREATE INDEX documents_open ON documents (recorded_at) WHERE dispatched_at IS NULL OR rendering_sha256 IS NULL;
CREATE INDEX documents_newest ON documents (recorded_at DESC);

CREATE TABLE answers (
    request_id uuid NOT NULL,
    document_id text NOT NULL,
    id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('refused', 'declined')),
    code text,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (request_id, document_id, kind, id)
);
COMMENT ON TABLE answers IS 'Signatures that were refused, and refusals to sign';

CREATE TABLE work (
    request_id uuid NOT NULL,
    document_id text NOT NULL,
    rendering_sha256 text,
    rendering_reported_at timestamptz,
    seal_sha256 text,
    message text,
    entity text,
    tracking text,
    posted_at timestamptz,
    posted_by text,
    dispatch_reported_at timestamptz,
    trouble text,
    tries int NOT NULL DEFAULT 0,
    not_before timestamptz,
    PRIMARY KEY (request_id, document_id)
);
COMMENT ON COLUMN work.message IS 'The operator''s message; with entity the document in it';
CREATE UNIQUE INDEX work_of_message ON work (message, entity);

CREATE TABLE exchange (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    cursor text
);
COMMENT ON COLUMN exchange.cursor IS 'How far the operator''s feed of answers has been carried over';
INSERT INTO exchange (cursor) VALUES (NULL);
