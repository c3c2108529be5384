-- Local users: for the console and POST /api/auth/login. `email_key` is the folded form that a login is looked
-- up by; `generation` grows with whatever ends the user's tokens (password, roles, disabling).

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL,
    roles TEXT NOT NULL,
    workspace TEXT NOT NULL,
    generation INTEGER NOT NULL DEFAULT 1,
    created_by TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    login_ms INTEGER,
    disabled_ms INTEGER
);
CREATE INDEX users_listed ON users (workspace, id);

CREATE INDEX api_keys_listed ON api_keys (workspace, id);

-- The history of one object.
CREATE INDEX audit_by_object ON audit (object, object_id, id);

-- A row that INSERT OR REPLACE takes out meets no trigger of DELETE.
CREATE TRIGGER audit_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
