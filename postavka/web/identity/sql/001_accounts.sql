-- Who may sign in, what is signed in, and the tokens of programs. Secrets are kept as hashes only.

CREATE TABLE users (
    user_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    login text NOT NULL UNIQUE,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('partner', 'distributor', 'ops', 'auditor')),
    partner_id text,
    distributor_id text,
    password_hash text,
    oidc_issuer text,
    oidc_subject text,
    created_at timestamptz NOT NULL DEFAULT now(),
    password_changed_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    CHECK ((role = 'partner') = (partner_id IS NOT NULL)),
    CHECK ((role = 'distributor') = (distributor_id IS NOT NULL)),
    UNIQUE (oidc_issuer, oidc_subject)
);
COMMENT ON COLUMN users.login IS 'Small letters; what a person types to sign in';
COMMENT ON COLUMN users.password_hash IS 'argon2id with its parameters; NULL: signs in through OpenID Connect only';

CREATE TABLE sessions (
    id_sha256 bytea PRIMARY KEY,
    session_id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    csrf_key bytea NOT NULL,
    method text NOT NULL,
    address text,
    agent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    rotated_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    former_sha256 bytea
);
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_formerly ON sessions (former_sha256) WHERE former_sha256 IS NOT NULL;
COMMENT ON COLUMN sessions.id_sha256 IS 'Of the 256 random bits in the cookie';
COMMENT ON COLUMN sessions.former_sha256 IS 'The id before the last rotation: good for some seconds, for requests under way';
COMMENT ON COLUMN sessions.session_id IS 'How a person names it in the list of sessions; opens nothing';

CREATE TABLE devices (
    id_sha256 bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX devices_of_user ON devices (user_id);
COMMENT ON TABLE devices IS 'Browsers in which a user has signed in before: a stranger''s wrong passwords do not lock these out';

CREATE TABLE tokens (
    token_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    secret_sha256 bytea NOT NULL UNIQUE,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('partner', 'distributor')),
    partner_id text,
    distributor_id text,
    scopes text[] NOT NULL,
    hint text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    last_used_at timestamptz,
    CHECK ((role = 'partner') = (partner_id IS NOT NULL)),
    CHECK ((role = 'distributor') = (distributor_id IS NOT NULL))
);
CREATE INDEX tokens_of_partner ON tokens (partner_id) WHERE partner_id IS NOT NULL;
CREATE INDEX tokens_of_distributor ON tokens (distributor_id) WHERE distributor_id IS NOT NULL;
COMMENT ON COLUMN tokens.hint IS 'The last characters, to tell tokens apart';

CREATE TABLE answers (
    owner text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    status int,
    media_type text,
    body bytea,
    PRIMARY KEY (owner, key)
);
CREATE INDEX answers_by_age ON answers (started_at);
COMMENT ON TABLE answers IS 'Idempotency-Key: what a first request was answered; status is NULL while it is under way';
COMMENT ON COLUMN answers.owner IS 'Whose key it is: partner:‹id› or distributor:‹id›';
