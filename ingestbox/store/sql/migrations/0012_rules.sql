-- Decisions about many rows at once, which can be taken back; and rules that are kept for later imports. Times are
-- Unix milliseconds.

-- One row for each decision; `id` is that of its line in the trail. `actor` may take it back. One of a kept rule has the
-- job that it was applied to and the rule; of any other these are null. `undone_ms` is when somebody first began to.
CREATE TABLE bulk_operations (
    id INTEGER PRIMARY KEY,
    workspace TEXT NOT NULL,
    actor TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    job_id INTEGER,
    rule_id INTEGER,
    undone_ms INTEGER
);
CREATE UNIQUE INDEX bulk_operations_of_rule ON bulk_operations (job_id, rule_id) WHERE rule_id IS NOT NULL;
CREATE INDEX bulk_operations_by_age ON bulk_operations (at_ms, id);

-- Each row that a decision changed for the sake of an issue, as it was before. `left_crc` is the checksum of what the
-- decision left: who finds another one leaves the row alone. `restored` is 1 once it is as it was.
CREATE TABLE bulk_changes (
    id INTEGER PRIMARY KEY,
    operation INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    issue_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    payload BLOB NOT NULL,
    state TEXT NOT NULL,
    discarded INTEGER NOT NULL,
    left_crc INTEGER NOT NULL,
    restored INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX bulk_changes_of_operation ON bulk_changes (operation, record_id);
CREATE INDEX bulk_changes_of_record ON bulk_changes (record_id);

-- The issues that it resolved: they are open again when a row of theirs is.
CREATE TABLE bulk_issues (
    operation INTEGER NOT NULL,
    issue_id INTEGER NOT NULL,
    PRIMARY KEY (operation, issue_id)
) WITHOUT ROWID;

-- `owner` is whose imports it is applied to; empty for those of the whole workspace. `after_job` was the newest job when
-- it was made: it is applied to later ones. `code` is the code of issues it decides about, `rule` is JSON.
CREATE TABLE rules (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    family TEXT NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    code TEXT NOT NULL,
    rule TEXT NOT NULL,
    after_job INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_ms INTEGER NOT NULL
);
CREATE UNIQUE INDEX rules_of_owner ON rules (workspace, family, owner, name);

-- Jobs whose rows the kept rules have decided about, and in how many rounds.
CREATE TABLE ruled_jobs (
    job_id INTEGER PRIMARY KEY,
    rounds INTEGER NOT NULL
);
