-- A lane that a person has put on hold sends nothing, and is not probed, until somebody lets it go on; also across
-- restarts. `held_reason` is what was said of it.
ALTER TABLE lanes ADD COLUMN held_by TEXT;
ALTER TABLE lanes ADD COLUMN held_ms INTEGER;
ALTER TABLE lanes ADD COLUMN held_reason TEXT;
