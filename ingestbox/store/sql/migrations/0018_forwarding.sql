-- Forwarding that survives anything: what a lane leaves out, replays, what went ahead of its turn; where a box's data
-- lie; refused lines as issues; results of other boxes that go on upstream; what is old enough to go.
-- Times are Unix milliseconds.

-- What a lane takes: JSON lists, NULL for all. `relay`: also what other boxes sent here.
-- `cursor` is as far as the lane has looked: every delivery up to it is delivered, parked, discarded or not the lane's.
-- `enqueued` counts the lane's own alone, and enqueued_bytes the bytes of their lines; `decided_bytes` those of the
-- ones that are not pending any more.
-- What was sent before `replay_until` is sent again: for the `replays`th time, which the batches' keys tell.
-- Lines from `fresh_first` to `fresh_last` went ahead of their turn; those between cursor and `fresh_first` are behind.
ALTER TABLE lanes ADD COLUMN families TEXT;
ALTER TABLE lanes ADD COLUMN kinds TEXT;
ALTER TABLE lanes ADD COLUMN workspaces TEXT;
ALTER TABLE lanes ADD COLUMN ops TEXT;
ALTER TABLE lanes ADD COLUMN relay INTEGER NOT NULL DEFAULT 1;
ALTER TABLE lanes ADD COLUMN enqueued_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN decided_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN replays INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN replay_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN fresh_first INTEGER;
ALTER TABLE lanes ADD COLUMN fresh_last INTEGER;

-- What waits is taken to be as long as the oldest of it; that is put right when nothing is left.
UPDATE lanes
SET enqueued_bytes = (enqueued - delivered - (SELECT count(*) FROM parked WHERE lane = name)) * (
    SELECT CAST(coalesce(avg(length(line)), 0) AS INTEGER)
    FROM (SELECT line FROM deliveries WHERE seq > cursor ORDER BY seq LIMIT 500)
);

-- What waits, and is reworded by an erasure, has another length.
CREATE TRIGGER deliveries_reworded AFTER UPDATE OF line ON deliveries WHEN length(NEW.line) <> length(OLD.line)
BEGIN
    UPDATE lanes SET enqueued_bytes = enqueued_bytes + length(NEW.line) - length(OLD.line)
    WHERE cursor < NEW.seq AND NOT coalesce(NEW.seq BETWEEN fresh_first AND fresh_last, false)
      AND (families IS NULL OR NEW.family IN (SELECT value FROM json_each(families)))
      AND (kinds IS NULL OR NEW.kind IN (SELECT value FROM json_each(kinds)))
      AND (workspaces IS NULL OR NEW.workspace IN (SELECT value FROM json_each(workspaces)))
      AND (ops IS NULL OR NEW.op IN (SELECT value FROM json_each(ops)))
      AND (relay = 1 OR NEW.record_id <> 0)
      AND NOT EXISTS (SELECT 1 FROM parked AS p WHERE p.lane = name AND p.seq = NEW.seq);
END;

-- What a lane delivered is counted for charts where it advances, by what it takes. A line that is sent again because of
-- a replay counts again, as work that is done once more does.
DROP TRIGGER lanes_series;
DROP TRIGGER parked_series;

-- Taken after all: what was left out of the minute of its batch is in the minute of its arrival. A lane that is off takes
-- nothing: it is forgotten.
DROP TRIGGER parked_taken_series;
CREATE TRIGGER parked_taken_series AFTER DELETE ON parked
BEGIN
    INSERT INTO series_minutes (workspace, at, family, owner, delivered)
    SELECT d.workspace, l.delivered_ms / 60000 * 60, d.family, '', 1
    FROM deliveries AS d, lanes AS l
    WHERE d.seq = OLD.seq AND l.name = OLD.lane AND l.delivered_ms IS NOT NULL AND l.state <> 'off'
    ON CONFLICT (workspace, at, family, owner) DO UPDATE SET delivered = delivered + 1;
END;

-- The box that an object is of, where another sent it here: '' for this box's own. Such a delivery has no record.
ALTER TABLE deliveries ADD COLUMN origin TEXT NOT NULL DEFAULT '';

-- Where the data folder is, as far as it can be told from a copy: a copy that is started gets an epoch of its own.
ALTER TABLE box ADD COLUMN place TEXT;

-- Boxes that send here. `through` is the row of the box that passed on what this one made, of one that does not send
-- here itself; `reused_ms` is when a seq came last that was taken by other content; `last_ms` when a lane's last batch
-- came; `since_ms` when a gap was noticed, or when some of its lines came last.
ALTER TABLE sync_boxes ADD COLUMN through INTEGER REFERENCES sync_boxes (id);
ALTER TABLE sync_boxes ADD COLUMN reused_ms INTEGER;
CREATE INDEX sync_boxes_seen ON sync_boxes (last_seen_ms);
ALTER TABLE sync_chains ADD COLUMN last_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_gaps ADD COLUMN since_ms INTEGER NOT NULL DEFAULT 0;

-- Refused lines as issues: each of the record behind the line, for a lane and a seq, open as long as the line is parked.
-- `refusal` is the upstream's code. The record itself is done: such an issue is not linked to it as one that it waits on
-- (issue_records), and no staged job waits for it. `refused` of a job counts those that are open.
ALTER TABLE issues ADD COLUMN lane TEXT;
ALTER TABLE issues ADD COLUMN seq INTEGER;
ALTER TABLE issues ADD COLUMN refusal TEXT;
ALTER TABLE jobs ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
CREATE INDEX issues_by_delivery ON issues (lane, seq) WHERE lane IS NOT NULL;
CREATE INDEX issues_keyed ON issues (job_id, id) WHERE key IS NOT NULL;

DROP TRIGGER issues_linked;
CREATE TRIGGER issues_linked AFTER INSERT ON issues WHEN NEW.lane IS NULL
BEGIN
    INSERT INTO issue_records (record_id, issue_id) VALUES (NEW.record_id, NEW.id);
END;

DROP TRIGGER issues_staged_in;
CREATE TRIGGER issues_staged_in AFTER INSERT ON issues WHEN NEW.lane IS NULL
BEGIN
    UPDATE staged_jobs
    SET issues_seen = issues_seen + 1, open_issues = open_issues + (NEW.resolved_ms IS NULL)
    WHERE job_id = NEW.job_id;
END;
DROP TRIGGER issues_staged_over;
CREATE TRIGGER issues_staged_over AFTER UPDATE OF resolved_ms ON issues
WHEN (NEW.resolved_ms IS NULL) <> (OLD.resolved_ms IS NULL) AND NEW.lane IS NULL
BEGIN
    UPDATE staged_jobs SET open_issues = open_issues + (NEW.resolved_ms IS NULL) - (OLD.resolved_ms IS NULL)
    WHERE job_id = NEW.job_id;
END;
DROP TRIGGER issues_staged_out;
CREATE TRIGGER issues_staged_out AFTER DELETE ON issues WHEN OLD.lane IS NULL
BEGIN
    UPDATE staged_jobs
    SET issues_seen = issues_seen - 1, open_issues = open_issues - (OLD.resolved_ms IS NULL)
    WHERE job_id = OLD.job_id;
END;

CREATE TRIGGER issues_refused_in AFTER INSERT ON issues WHEN NEW.lane IS NOT NULL AND NEW.resolved_ms IS NULL
BEGIN
    UPDATE jobs SET refused = refused + 1 WHERE id = NEW.job_id;
END;
CREATE TRIGGER issues_refused_over AFTER UPDATE OF resolved_ms ON issues
WHEN (NEW.resolved_ms IS NULL) <> (OLD.resolved_ms IS NULL) AND NEW.lane IS NOT NULL
BEGIN
    UPDATE jobs SET refused = refused + (NEW.resolved_ms IS NULL) - (OLD.resolved_ms IS NULL) WHERE id = NEW.job_id;
END;
CREATE TRIGGER issues_refused_out AFTER DELETE ON issues WHEN OLD.lane IS NOT NULL AND OLD.resolved_ms IS NULL
BEGIN
    UPDATE jobs SET refused = refused - 1 WHERE id = OLD.job_id;
END;

INSERT INTO issues (job_id, record_id, code, message, created_ms, workspace, family, lane, seq, refusal, resolved_ms,
                    resolution, resolved_by, comment)
SELECT j.id, d.record_id, 'delivery_refused', substr(p.code || ': ' || p.message, 1, 600), p.at_ms, j.workspace, j.family,
       p.lane, p.seq, p.code,
       CASE p.state WHEN 'discarded' THEN COALESCE(p.decided_ms, p.at_ms) END,
       CASE p.state WHEN 'discarded' THEN 'discard' END,
       CASE p.state WHEN 'discarded' THEN p.decided_by END,
       CASE p.state WHEN 'discarded' THEN p.reason END
FROM parked AS p JOIN deliveries AS d ON d.seq = p.seq JOIN jobs AS j ON j.id = d.record_id >> 24
WHERE d.record_id > 0
ORDER BY p.at_ms, p.lane, p.seq;

-- What is old enough goes: lines that every lane has behind it. What records became whose lines are gone; the highest
-- seq that went, how many went, their bytes, and when that was last.
CREATE TABLE became (
    record_id INTEGER PRIMARY KEY,
    workspace TEXT NOT NULL,
    family TEXT NOT NULL,
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    seq INTEGER NOT NULL
);
CREATE INDEX parked_by_seq ON parked (seq);
ALTER TABLE box ADD COLUMN purged_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE box ADD COLUMN purged_lines INTEGER NOT NULL DEFAULT 0;
ALTER TABLE box ADD COLUMN purged_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE box ADD COLUMN purged_ms INTEGER;
