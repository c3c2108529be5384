-- Erasures: what the box holds of a person, found by e-mail address, goes. Times are Unix milliseconds.

-- One row each. `workspace` is whose data it goes through ('*': everyone's). `address` is there while it is looked for,
-- and null after that; `digest` is a keyed hash of it, by which the same request is known again.
-- It goes through the records of jobs up to `last_job`, place by place: `place` is the one that it is at, `position`
-- where in it the next slice begins (JSON). `again` is 1 when something was still coming in as it began to go through:
-- then it goes through once more, after that has ended. `counts` (JSON) says how much was found where.
-- `waiting` is one that waits for what comes in; one that is `cleaning` has changed everything, and removes what is
-- left of it in free pages, in the index of full text, in the log.
CREATE TABLE erasures (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    actor TEXT NOT NULL,
    request_id TEXT,
    reason TEXT,
    address TEXT,
    digest TEXT NOT NULL,
    dry_run INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'waiting', 'cleaning', 'done')),
    last_job INTEGER NOT NULL,
    place TEXT NOT NULL,
    position TEXT NOT NULL,
    again INTEGER NOT NULL DEFAULT 0,
    counts TEXT NOT NULL DEFAULT '{}',
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    done_ms INTEGER
);
CREATE INDEX erasures_listed ON erasures (workspace, id);
CREATE INDEX erasures_known ON erasures (workspace, digest, id);
-- Who asks for the same while it is under way joins it.
CREATE UNIQUE INDEX erasures_once ON erasures (workspace, digest, dry_run) WHERE done_ms IS NULL;
CREATE INDEX erasures_open ON erasures (id) WHERE done_ms IS NULL;

-- Files whose rows still come in.
CREATE INDEX files_loading ON files (job_id) WHERE loaded_ms IS NULL;

-- Writing the index anew goes on also beside a few words that come in (FTS5: the fewest segments that it merges).
INSERT INTO ticket_words (ticket_words, rank) VALUES ('usermerge', 2);

-- The trail stays append-only, but for one thing: while an erasure is under way, an address in what a line keeps of
-- before and after, or in the id that a request came with, may become a mark. Who did what, to what and when never
-- changes.
DROP TRIGGER audit_not_updated;
CREATE TRIGGER audit_not_updated BEFORE UPDATE ON audit
WHEN NOT (
    NEW.id IS OLD.id AND NEW.at_ms IS OLD.at_ms AND NEW.workspace IS OLD.workspace AND NEW.actor IS OLD.actor
    AND NEW.action IS OLD.action AND NEW.object IS OLD.object AND NEW.object_id IS OLD.object_id
    AND (NEW.request_id IS OLD.request_id OR COALESCE(INSTR(NEW.request_id, '[erased]'), 0) > 0)
    AND (NEW.before IS OLD.before OR COALESCE(INSTR(NEW.before, '[erased]'), 0) > 0)
    AND (NEW.after IS OLD.after OR COALESCE(INSTR(NEW.after, '[erased]'), 0) > 0)
    AND (NEW.before IS NULL) = (OLD.before IS NULL) AND (NEW.after IS NULL) = (OLD.after IS NULL)
    AND (NEW.request_id IS NULL) = (OLD.request_id IS NULL)
    AND EXISTS (SELECT 1 FROM erasures WHERE done_ms IS NULL AND dry_run = 0 AND state = 'running')
)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
