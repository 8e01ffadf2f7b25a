-- Views of lists that somebody has named, each its own: what an address filters by, its order and its columns.

CREATE TABLE saved_views (
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    path text NOT NULL,
    name text NOT NULL,
    query text NOT NULL,
    PRIMARY KEY (user_id, path, name)
);
COMMENT ON COLUMN saved_views.path IS 'The list, by its address';
COMMENT ON COLUMN saved_views.query IS 'Of the address; it may hold what somebody searches for';
