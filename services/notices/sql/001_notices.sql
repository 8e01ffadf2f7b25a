-- Beside the kernel's event store (what goes to the distributors' topics): stories, answers seen, mail, preferences.

CREATE TABLE stories (
    request_id uuid PRIMARY KEY,
    story jsonb NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE stories IS 'What is known of a request, as far as news need it';

CREATE TABLE answers (
    distributor_id text NOT NULL,
    request_id uuid NOT NULL,
    confirmation_id text NOT NULL,
    record text NOT NULL,
    PRIMARY KEY (distributor_id, request_id, confirmation_id)
);
COMMENT ON TABLE answers IS 'The first record of each answer of a distributor: a later one is a duplicate';

CREATE TABLE mail (
    id uuid PRIMARY KEY,
    request_id uuid,
    kind text NOT NULL,
    party text NOT NULL CHECK (party IN ('partner', 'distributor')),
    party_id text NOT NULL,
    partner_id text GENERATED ALWAYS AS (CASE party WHEN 'partner' THEN party_id END) STORED,
    distributor_id text GENERATED ALWAYS AS (CASE party WHEN 'distributor' THEN party_id END) STORED,
    recipient text,
    recipient_name text,
    message_id text NOT NULL UNIQUE,
    subject text NOT NULL,
    text text NOT NULL,
    html text NOT NULL,
    off text,
    cause text NOT NULL,
    happened_at timestamptz NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    status text NOT NULL CHECK (status IN ('due', 'sending', 'sent', 'failed', 'off', 'no-address', 'too-old')),
    tries int NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    unsure boolean NOT NULL DEFAULT false,
    said text
);
CREATE INDEX mail_due ON mail (next_at, happened_at) WHERE status IN ('due', 'sending');
CREATE INDEX mail_failed ON mail (made_at) WHERE status IN ('failed', 'no-address');
CREATE INDEX mail_by_age ON mail (made_at DESC, id);
CREATE INDEX mail_of_request ON mail (request_id);
CREATE INDEX mail_of_partner ON mail (partner_id, made_at DESC) WHERE partner_id IS NOT NULL;
CREATE INDEX mail_of_distributor ON mail (distributor_id, made_at DESC) WHERE distributor_id IS NOT NULL;
COMMENT ON COLUMN mail.id IS 'Made from cause, kind and recipient: the same news twice is one letter';
COMMENT ON COLUMN mail.status IS 'due: will be sent at next_at; sending: handed to the server, no answer yet; off: switched off by the recipient; too-old: the news were old when they were read';
COMMENT ON COLUMN mail.unsure IS 'A try ended without an answer after the text had been handed over: the letter may have arrived twice, with the same Message-ID';
COMMENT ON COLUMN mail.said IS 'The last answer of the mail server, or what went wrong';

CREATE TABLE preferences (
    recipient text NOT NULL,
    kind text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL,
    PRIMARY KEY (recipient, kind)
);
COMMENT ON TABLE preferences IS 'Kinds that a recipient (address in small letters) does not want. Mandatory kinds are sent all the same';

CREATE TABLE unread (
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    type text NOT NULL,
    reason text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, "offset")
);
COMMENT ON TABLE unread IS 'Records that this release could not read';
