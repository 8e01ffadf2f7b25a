-- Which keys this installation works with: a fingerprint tells keys apart, and nothing of them.
CREATE TABLE fingerprints (
    name text PRIMARY KEY,
    fingerprint text NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now()
);
