-- Staged jobs: rows wait until all of them are right, and become objects together. Times are Unix milliseconds.

-- An issue may hold several records: every one is linked, with the run of its job in which it last failed. `record_id`
-- of `issues` is the first of them. `key` is what a staged job's issues are told apart by, with their code; null of
-- others. `revision` counts what people changed of it.
CREATE TABLE issue_records (
    record_id INTEGER NOT NULL,
    issue_id INTEGER NOT NULL,
    run INTEGER NOT NULL DEFAULT 1,
    given_up INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (record_id, issue_id)
) WITHOUT ROWID;
CREATE INDEX issue_records_by_issue ON issue_records (issue_id, record_id, run);
INSERT INTO issue_records (record_id, issue_id, given_up)
SELECT i.record_id, i.id, COALESCE((SELECT r.state = 'discarded' FROM records AS r WHERE r.id = i.record_id), 0)
FROM issues AS i;

-- `given_up` is 1 while the record is discarded, whoever did that: what an issue is about still, and the newest run of
-- it, are found at once, also of one that holds a million records.
CREATE INDEX issue_records_left ON issue_records (issue_id, given_up, run);
CREATE TRIGGER records_given_up AFTER UPDATE OF state ON records
WHEN (NEW.state = 'discarded') <> (OLD.state = 'discarded')
BEGIN
    UPDATE issue_records SET given_up = NEW.state = 'discarded' WHERE record_id = NEW.id;
END;

ALTER TABLE issues ADD COLUMN key TEXT;
ALTER TABLE issues ADD COLUMN comment TEXT;
ALTER TABLE issues ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX issues_by_key ON issues (job_id, code, key) WHERE key IS NOT NULL;

CREATE TRIGGER issues_linked AFTER INSERT ON issues
BEGIN
    INSERT INTO issue_records (record_id, issue_id) VALUES (NEW.record_id, NEW.id);
END;

CREATE TRIGGER issues_unlinked AFTER DELETE ON issues
BEGIN
    DELETE FROM issue_records WHERE issue_id = OLD.id;
END;

-- One row a staged job. `owner` is who sees it and what it makes (jobs.created_by), `name` and `sha256` its file's:
-- while `live`, no other job of the owner may have either. `run` counts how often it was checked. `open_issues` is
-- kept by triggers. `baseline` is 1 when what exists already is passed over instead of being an issue.
-- `phase`: loading and checking; `turn` waits until no other job of the owner consolidates; consolidating makes the
-- objects, which nobody sees before it is over; waiting for a person; done; undoing takes the objects back, `removed`
-- and `kept` counting them up to the row with the index `undo_position`; undone; cancelled.
CREATE TABLE staged_jobs (
    job_id INTEGER PRIMARY KEY,
    workspace TEXT NOT NULL,
    family TEXT NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    live INTEGER NOT NULL DEFAULT 1,
    baseline INTEGER NOT NULL DEFAULT 0,
    phase TEXT NOT NULL DEFAULT 'loading'
        CHECK (phase IN ('loading', 'checking', 'turn', 'consolidating', 'waiting', 'done', 'undoing', 'undone',
                         'cancelled')),
    run INTEGER NOT NULL DEFAULT 1,
    open_issues INTEGER NOT NULL DEFAULT 0,
    issues_seen INTEGER NOT NULL DEFAULT 0,
    removed INTEGER NOT NULL DEFAULT 0,
    kept INTEGER NOT NULL DEFAULT 0,
    undo_position INTEGER NOT NULL DEFAULT 0,
    undone_ms INTEGER
);
CREATE UNIQUE INDEX staged_by_name ON staged_jobs (workspace, family, owner, name) WHERE live = 1;
CREATE UNIQUE INDEX staged_by_content ON staged_jobs (workspace, family, owner, sha256) WHERE live = 1;
-- Whoever consolidates or undoes is alone: between looking for what exists and making objects nobody else makes or
-- removes any.
CREATE UNIQUE INDEX staged_turn ON staged_jobs (workspace, family, owner) WHERE phase IN ('consolidating', 'undoing');
CREATE INDEX staged_waiting_turn ON staged_jobs (workspace, family, owner) WHERE phase = 'turn';
CREATE INDEX staged_ended ON staged_jobs (job_id) WHERE phase IN ('done', 'undone', 'cancelled');
CREATE INDEX staged_open ON staged_jobs (family, phase, workspace) WHERE phase NOT IN ('done', 'undone', 'cancelled');
CREATE INDEX jobs_by_creator ON jobs (workspace, family, created_by, id);
-- What is listed of them: by owner, and by workspace for administrators. Those whose objects are hidden are few.
CREATE INDEX staged_listed ON staged_jobs (workspace, family, owner, job_id, phase) WHERE phase <> 'cancelled';
CREATE INDEX staged_of_workspace ON staged_jobs (workspace, family, job_id, phase) WHERE phase <> 'cancelled';
CREATE INDEX staged_hiding ON staged_jobs (family, job_id) WHERE phase IN ('consolidating', 'undoing');

-- However a job gets there.
CREATE TRIGGER staged_settled AFTER UPDATE OF state ON jobs
WHEN NEW.state <> OLD.state AND (NEW.state = 'completed' OR NEW.state = 'failed' OR NEW.state = 'review'
                                 OR NEW.state = 'cancelled')
BEGIN
    UPDATE staged_jobs
    SET phase = CASE NEW.state WHEN 'completed' THEN 'done' WHEN 'cancelled' THEN 'cancelled' ELSE 'waiting' END,
        live = CASE NEW.state WHEN 'cancelled' THEN 0 ELSE live END
    WHERE job_id = NEW.id;
END;

-- How many issues a job has, and how many are open: exact in every transaction.
CREATE TRIGGER issues_staged_in AFTER INSERT ON issues
BEGIN
    UPDATE staged_jobs
    SET issues_seen = issues_seen + 1, open_issues = open_issues + (NEW.resolved_ms IS NULL)
    WHERE job_id = NEW.job_id;
END;
CREATE TRIGGER issues_staged_over AFTER UPDATE OF resolved_ms ON issues
WHEN (NEW.resolved_ms IS NULL) <> (OLD.resolved_ms IS NULL)
BEGIN
    UPDATE staged_jobs SET open_issues = open_issues + (NEW.resolved_ms IS NULL) - (OLD.resolved_ms IS NULL)
    WHERE job_id = NEW.job_id;
END;
CREATE TRIGGER issues_staged_out AFTER DELETE ON issues
BEGIN
    UPDATE staged_jobs
    SET issues_seen = issues_seen - 1, open_issues = open_issues - (OLD.resolved_ms IS NULL)
    WHERE job_id = OLD.job_id;
END;

-- The keys of the rows that are right by themselves and not given up: what repeats inside a job lies side by side here.
CREATE TABLE staged_keys (
    job_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    record_id INTEGER NOT NULL,
    PRIMARY KEY (job_id, key, record_id)
) WITHOUT ROWID;

-- Rows that people changed since their job was last checked.
CREATE TABLE staged_edits (
    record_id INTEGER PRIMARY KEY
);
