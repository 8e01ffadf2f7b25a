-- Clients of requests that the tax register did not agree to when they were sent. The web application writes them; they are
-- no fold of the log.
CREATE TABLE unchecked_clients (
    request_id uuid PRIMARY KEY,
    why text NOT NULL CHECK (why IN ('unchecked', 'other', 'nobody')),
    noted_at timestamptz NOT NULL DEFAULT now(),
    checked_by text,
    checked_at timestamptz
);
CREATE INDEX unchecked_clients_open ON unchecked_clients (noted_at) WHERE checked_at IS NULL;
COMMENT ON COLUMN unchecked_clients.why IS 'unchecked: the register did not answer; other: it has another name or KPP; nobody: it has no such INN. The latter two were sent all the same';
