-- The console's sessions: who is signed in at which browser. Times are Unix milliseconds.

-- `digest` is the SHA-256 of what the browser's cookie holds. A session is good while its user is enabled and has this
-- generation (as a token is), until `expires_ms`, and while it is used.
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    user_id INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id, id);
CREATE INDEX sessions_expiring ON sessions (expires_ms);
