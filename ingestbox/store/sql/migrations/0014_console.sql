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
CREATE INDEX sessions_idle ON sessions (seen_ms);

-- Links that are used once: whoever opens one sets a password. There is one for each user at most, and one under 0, with
-- which the first administrator is made. `digest` is the SHA-256 of what the link holds.
CREATE TABLE invitations (
    user_id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    expires_ms INTEGER NOT NULL
);
CREATE INDEX invitations_expiring ON invitations (expires_ms);

-- What waits for a person, by job and kind: counted and listed without reading all that a job has.
CREATE INDEX issues_open_by_job ON issues (job_id, code, resolved_ms) WHERE resolved_ms IS NULL;

-- The words in the names of the files that jobs came as; other jobs have no name to look for. What is taken out leaves
-- nothing behind: a person may have been erased from a name.
CREATE VIRTUAL TABLE job_words USING fts5 (
    name, content = 'jobs', content_rowid = 'id', prefix = '2 3', tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO job_words (job_words, rank) VALUES ('secure-delete', 1);
INSERT INTO job_words (rowid, name) SELECT j.id, j.name FROM files AS f CROSS JOIN jobs AS j ON j.id = f.job_id;
CREATE TRIGGER files_words_in AFTER INSERT ON files
BEGIN
    INSERT INTO job_words (rowid, name) SELECT id, name FROM jobs WHERE id = NEW.job_id;
END;
CREATE TRIGGER files_words_out BEFORE DELETE ON files
BEGIN
    INSERT INTO job_words (job_words, rowid, name) SELECT 'delete', id, name FROM jobs WHERE id = OLD.job_id;
END;
CREATE TRIGGER jobs_words_over AFTER UPDATE OF name ON jobs
WHEN NEW.name <> OLD.name AND EXISTS (SELECT 1 FROM files WHERE job_id = OLD.id)
BEGIN
    INSERT INTO job_words (job_words, rowid, name) VALUES ('delete', OLD.id, OLD.name);
    INSERT INTO job_words (rowid, name) VALUES (NEW.id, NEW.name);
END;
