-- A lane that a person has put on hold sends nothing, and is not probed, until somebody lets it go on; also across
-- restarts. `held_reason` is what was said of it.
ALTER TABLE lanes ADD COLUMN held_by TEXT;
ALTER TABLE lanes ADD COLUMN held_ms INTEGER;
ALTER TABLE lanes ADD COLUMN held_reason TEXT;

-- What a person decided about a line that was refused. One that is to be sent `again` counts as parked until the
-- upstream took it, and its row goes; one that is `discarded` is given up, and counts as that.
-- Per lane, enqueued = delivered + (deliveries after the cursor) + parked + discarded.
ALTER TABLE parked ADD COLUMN state TEXT NOT NULL DEFAULT 'parked' CHECK (state IN ('parked', 'again', 'discarded'));
ALTER TABLE parked ADD COLUMN decided_by TEXT;
ALTER TABLE parked ADD COLUMN decided_ms INTEGER;
ALTER TABLE parked ADD COLUMN reason TEXT;
CREATE INDEX parked_states ON parked (lane, state, seq);

-- Taken after all: what was left out of the minute of its batch is in the minute of its arrival.
CREATE TRIGGER parked_taken_series AFTER DELETE ON parked
BEGIN
    INSERT INTO series_minutes (workspace, at, family, owner, delivered)
    SELECT d.workspace, l.delivered_ms / 60000 * 60, d.family, '', 1
    FROM deliveries AS d, lanes AS l
    WHERE d.seq = OLD.seq AND l.name = OLD.lane AND l.delivered_ms IS NOT NULL
    ON CONFLICT (workspace, at, family, owner) DO UPDATE SET delivered = delivered + 1;
END;
