-- A person's work on jobs and records: what became of issues, what of a job was discarded, and changes of whole
-- jobs, which go slice by slice. Times are Unix milliseconds.

-- `discarded` counts the records that a person gave up. `reopened` is the lowest index that became pending again
-- while a worker held the job: the worker's own cursor is past it, so the job goes back to it instead of ending.
ALTER TABLE jobs ADD COLUMN discarded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN reopened INTEGER;
CREATE INDEX jobs_by_workspace ON jobs (workspace, id);

-- The scope of an issue is its job's, and never changes; it is kept here so that a list can be read in order.
-- `resolution` is `edit`, `retry` or `discard`, or `cancel` when the whole job was given up.
ALTER TABLE issues ADD COLUMN workspace TEXT NOT NULL DEFAULT '';
ALTER TABLE issues ADD COLUMN family TEXT NOT NULL DEFAULT '';
ALTER TABLE issues ADD COLUMN resolution TEXT;
ALTER TABLE issues ADD COLUMN resolved_by TEXT;
UPDATE issues
SET workspace = (SELECT workspace FROM jobs WHERE jobs.id = issues.job_id),
    family = (SELECT family FROM jobs WHERE jobs.id = issues.job_id)
WHERE job_id IN (SELECT id FROM jobs);
CREATE INDEX issues_by_workspace ON issues (workspace, id);
CREATE INDEX issues_by_job ON issues (job_id, id);
CREATE INDEX issues_open ON issues (workspace, id) WHERE resolved_ms IS NULL;
CREATE INDEX issues_waiting ON issues (record_id) WHERE resolved_ms IS NULL;

-- What became of a record: the deliveries it led to.
CREATE INDEX deliveries_by_record ON deliveries (record_id);

-- A change of a whole job that is under way: records from index `position` on are still to be looked at. While
-- it is here nobody works on the job, and after a crash housekeeping goes on with it.
CREATE TABLE job_changes (
    job_id INTEGER PRIMARY KEY,
    action TEXT NOT NULL CHECK (action = 'discard' OR action = 'retry' OR action = 'redo'),
    position INTEGER NOT NULL,
    actor TEXT NOT NULL
);
