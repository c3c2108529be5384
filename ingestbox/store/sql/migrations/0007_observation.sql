-- What the box says about itself: alarms with their notices, and tallies, so that numbers cost no scan.
-- Times are Unix milliseconds.

-- Alarms that are raised now.
CREATE TABLE alarms (
    name TEXT PRIMARY KEY,
    detail TEXT NOT NULL,
    since_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- Notices that the webhook has not taken, in the order of their changes: of each alarm the newest.
CREATE TABLE alarm_notices (
    id TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    alarm TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('raised', 'cleared')),
    detail TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- Tallies are kept by triggers, so that no statement can forget them, and each is exact in every transaction.
-- They take about 2 µs a row; counting a million rows instead would take half a second.
CREATE TABLE job_tallies (
    workspace TEXT NOT NULL,
    family TEXT NOT NULL,
    state TEXT NOT NULL,
    jobs INTEGER NOT NULL,
    records INTEGER NOT NULL,
    processed INTEGER NOT NULL,
    PRIMARY KEY (workspace, family, state)
) WITHOUT ROWID;

INSERT INTO job_tallies (workspace, family, state, jobs, records, processed)
SELECT workspace, family, state, COUNT(*), SUM(total), SUM(processed) FROM jobs GROUP BY workspace, family, state;

CREATE TRIGGER jobs_tallied_in AFTER INSERT ON jobs
BEGIN
    INSERT INTO job_tallies (workspace, family, state, jobs, records, processed)
    VALUES (NEW.workspace, NEW.family, NEW.state, 1, NEW.total, NEW.processed)
    ON CONFLICT (workspace, family, state) DO UPDATE
    SET jobs = jobs + 1, records = records + excluded.records, processed = processed + excluded.processed;
END;

CREATE TRIGGER jobs_tallied_out AFTER DELETE ON jobs
BEGIN
    UPDATE job_tallies
    SET jobs = jobs - 1, records = records - OLD.total, processed = processed - OLD.processed
    WHERE workspace = OLD.workspace AND family = OLD.family AND state = OLD.state;
END;

CREATE TRIGGER jobs_tallied_on AFTER UPDATE OF total, processed ON jobs
WHEN NEW.state = OLD.state AND (NEW.total <> OLD.total OR NEW.processed <> OLD.processed)
BEGIN
    UPDATE job_tallies
    SET records = records + NEW.total - OLD.total, processed = processed + NEW.processed - OLD.processed
    WHERE workspace = NEW.workspace AND family = NEW.family AND state = NEW.state;
END;

CREATE TRIGGER jobs_tallied_over AFTER UPDATE OF state ON jobs WHEN NEW.state <> OLD.state
BEGIN
    UPDATE job_tallies
    SET jobs = jobs - 1, records = records - OLD.total, processed = processed - OLD.processed
    WHERE workspace = OLD.workspace AND family = OLD.family AND state = OLD.state;
    INSERT INTO job_tallies (workspace, family, state, jobs, records, processed)
    VALUES (NEW.workspace, NEW.family, NEW.state, 1, NEW.total, NEW.processed)
    ON CONFLICT (workspace, family, state) DO UPDATE
    SET jobs = jobs + 1, records = records + excluded.records, processed = processed + excluded.processed;
END;

-- `remote`: 1 for objects that came from other boxes. Tombstones do not count.
CREATE TABLE object_tallies (
    workspace TEXT NOT NULL,
    family TEXT NOT NULL,
    kind TEXT NOT NULL,
    remote INTEGER NOT NULL,
    objects INTEGER NOT NULL,
    PRIMARY KEY (workspace, family, kind, remote)
) WITHOUT ROWID;

INSERT INTO object_tallies (workspace, family, kind, remote, objects)
SELECT workspace, family, kind, origin <> '', COUNT(*) FROM objects
WHERE deleted = 0
GROUP BY workspace, family, kind, origin <> '';

CREATE TRIGGER objects_tallied_in AFTER INSERT ON objects WHEN NEW.deleted = 0
BEGIN
    INSERT INTO object_tallies (workspace, family, kind, remote, objects)
    VALUES (NEW.workspace, NEW.family, NEW.kind, NEW.origin <> '', 1)
    ON CONFLICT (workspace, family, kind, remote) DO UPDATE SET objects = objects + 1;
END;

CREATE TRIGGER objects_tallied_out AFTER DELETE ON objects WHEN OLD.deleted = 0
BEGIN
    UPDATE object_tallies SET objects = objects - 1
    WHERE workspace = OLD.workspace AND family = OLD.family AND kind = OLD.kind AND remote = (OLD.origin <> '');
END;

CREATE TRIGGER objects_tallied_over AFTER UPDATE OF deleted ON objects WHEN (NEW.deleted = 0) <> (OLD.deleted = 0)
BEGIN
    INSERT INTO object_tallies (workspace, family, kind, remote, objects)
    VALUES (NEW.workspace, NEW.family, NEW.kind, NEW.origin <> '', CASE NEW.deleted WHEN 0 THEN 1 ELSE -1 END)
    ON CONFLICT (workspace, family, kind, remote) DO UPDATE SET objects = objects + excluded.objects;
END;

CREATE TABLE issue_tallies (
    workspace TEXT NOT NULL,
    family TEXT NOT NULL,
    open INTEGER NOT NULL,
    PRIMARY KEY (workspace, family)
) WITHOUT ROWID;

INSERT INTO issue_tallies (workspace, family, open)
SELECT workspace, family, COUNT(*) FROM issues WHERE resolved_ms IS NULL GROUP BY workspace, family;

CREATE TRIGGER issues_tallied_in AFTER INSERT ON issues WHEN NEW.resolved_ms IS NULL
BEGIN
    INSERT INTO issue_tallies (workspace, family, open) VALUES (NEW.workspace, NEW.family, 1)
    ON CONFLICT (workspace, family) DO UPDATE SET open = open + 1;
END;

CREATE TRIGGER issues_tallied_out AFTER DELETE ON issues WHEN OLD.resolved_ms IS NULL
BEGIN
    UPDATE issue_tallies SET open = open - 1 WHERE workspace = OLD.workspace AND family = OLD.family;
END;

CREATE TRIGGER issues_tallied_over AFTER UPDATE OF resolved_ms ON issues
WHEN (NEW.resolved_ms IS NULL) <> (OLD.resolved_ms IS NULL)
BEGIN
    UPDATE issue_tallies SET open = open + (NEW.resolved_ms IS NULL) - (OLD.resolved_ms IS NULL)
    WHERE workspace = NEW.workspace AND family = NEW.family;
END;
