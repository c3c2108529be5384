-- What came in, was worked off and went upstream, by minutes and hours: for charts. Times are Unix seconds.

-- Families of which people see their own alone: the box names them at each start.
CREATE TABLE private_families (
    name TEXT PRIMARY KEY
) WITHOUT ROWID;

-- One row for each minute (`at` is its beginning) in which something happened. `owner` is who made the jobs of a private
-- family, otherwise empty. `received` counts records that came in; `finished` those that came to their end, and `issues`
-- those that came to wait for a person, each time that they do; `delivered` the lines that a lane delivered.
-- The triggers below add to it in the transaction of the change itself, so that nothing is lost or counted twice
-- whenever the box stops. They only add: what is taken back later was done all the same.
CREATE TABLE series_minutes (
    workspace TEXT NOT NULL,
    at INTEGER NOT NULL,
    family TEXT NOT NULL,
    owner TEXT NOT NULL,
    received INTEGER NOT NULL DEFAULT 0,
    finished INTEGER NOT NULL DEFAULT 0,
    issues INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace, at, family, owner)
) WITHOUT ROWID;
CREATE INDEX series_minutes_by_time ON series_minutes (at);

-- The same by hours: where minutes go that are over a day old. A number is in one of the two.
CREATE TABLE series_hours (
    workspace TEXT NOT NULL,
    at INTEGER NOT NULL,
    family TEXT NOT NULL,
    owner TEXT NOT NULL,
    received INTEGER NOT NULL DEFAULT 0,
    finished INTEGER NOT NULL DEFAULT 0,
    issues INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace, at, family, owner)
) WITHOUT ROWID;
CREATE INDEX series_hours_by_time ON series_hours (at);

-- A job that is stored whole; some of its records may be settled already.
CREATE TRIGGER jobs_series_in AFTER INSERT ON jobs WHEN NEW.state <> 'receiving' AND NEW.total > 0
BEGIN
    INSERT INTO series_minutes (workspace, at, family, owner, received, finished, issues)
    VALUES (NEW.workspace, NEW.updated_ms / 60000 * 60, NEW.family,
            CASE WHEN EXISTS (SELECT 1 FROM private_families WHERE name = NEW.family) THEN NEW.created_by ELSE '' END,
            NEW.total, MAX(NEW.processed - NEW.issues, 0), NEW.issues)
    ON CONFLICT (workspace, at, family, owner) DO UPDATE
    SET received = received + excluded.received, finished = finished + excluded.finished,
        issues = issues + excluded.issues;
END;

-- One that came in pieces, with the last.
CREATE TRIGGER jobs_series_whole AFTER UPDATE OF state ON jobs
WHEN OLD.state = 'receiving' AND NEW.state <> 'receiving' AND NEW.total > 0
BEGIN
    INSERT INTO series_minutes (workspace, at, family, owner, received, finished, issues)
    VALUES (NEW.workspace, NEW.updated_ms / 60000 * 60, NEW.family,
            CASE WHEN EXISTS (SELECT 1 FROM private_families WHERE name = NEW.family) THEN NEW.created_by ELSE '' END,
            NEW.total, MAX(NEW.processed - NEW.issues, 0), NEW.issues)
    ON CONFLICT (workspace, at, family, owner) DO UPDATE
    SET received = received + excluded.received, finished = finished + excluded.finished,
        issues = issues + excluded.issues;
END;

-- `processed` falls when records become pending again: that took nothing back that was done, and when they are settled
-- once more, that is work once more. Records that a person gives up were not worked off.
CREATE TRIGGER jobs_series_on AFTER UPDATE OF processed ON jobs
WHEN NEW.processed > OLD.processed AND OLD.state <> 'receiving'
BEGIN
    INSERT INTO series_minutes (workspace, at, family, owner, finished, issues)
    VALUES (NEW.workspace, NEW.updated_ms / 60000 * 60, NEW.family,
            CASE WHEN EXISTS (SELECT 1 FROM private_families WHERE name = NEW.family) THEN NEW.created_by ELSE '' END,
            MAX(NEW.processed - OLD.processed - MAX(NEW.issues - OLD.issues, 0)
                - MAX(NEW.discarded - OLD.discarded, 0), 0),
            MAX(NEW.issues - OLD.issues, 0))
    ON CONFLICT (workspace, at, family, owner) DO UPDATE
    SET finished = finished + excluded.finished, issues = issues + excluded.issues;
END;

-- A batch went upstream: a range of the key. Of what is in it nobody knows who made it, only whose workspace's it is.
CREATE TRIGGER lanes_series AFTER UPDATE OF cursor ON lanes
WHEN NEW.cursor > OLD.cursor AND NEW.delivered_ms IS NOT NULL
BEGIN
    INSERT INTO series_minutes (workspace, at, family, owner, delivered)
    SELECT workspace, NEW.delivered_ms / 60000 * 60, family, '', COUNT(*) FROM deliveries
    WHERE seq > OLD.cursor AND seq <= NEW.cursor
    GROUP BY workspace, family
    ON CONFLICT (workspace, at, family, owner) DO UPDATE SET delivered = delivered + excluded.delivered;
END;

-- Those of the same batch that were refused. (What is refused when it is sent again had been delivered.)
CREATE TRIGGER parked_series AFTER INSERT ON parked
WHEN EXISTS (SELECT 1 FROM lanes WHERE name = NEW.lane AND delivered_ms = NEW.at_ms AND cursor >= NEW.seq)
BEGIN
    UPDATE series_minutes SET delivered = delivered - 1
    WHERE (workspace, family) = (SELECT workspace, family FROM deliveries WHERE seq = NEW.seq)
      AND at = NEW.at_ms / 60000 * 60 AND owner = '' AND delivered > 0;
END;
