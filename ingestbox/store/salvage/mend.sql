-- What a salvaged store needs before a box may go on from it. Rows without triggers are in; each block below removes
-- what lost what it belongs to, and gives its key back (`drop_…`), makes rows that others need (`make_…`), or counts
-- anew what triggers keep (`count_…`). They run in this order.

-- name: make_jobs
-- Records whose job is lost get one, at its end: of the family that made something of them, else of feedback.
INSERT INTO jobs (id, public_id, family, workspace, created_by, source, name, state, total, processed, issues,
                  discarded, submitted_ms, completed_ms, updated_ms)
SELECT lost.id, 'recovered-' || lost.id,
       COALESCE((SELECT family FROM deliveries WHERE record_id >> 24 = lost.id LIMIT 1),
                (SELECT family FROM objects WHERE intake >> 24 = lost.id AND origin = '' LIMIT 1),
                (SELECT family FROM staged_jobs WHERE job_id = lost.id),
                (SELECT 'audience' FROM audience_uploads WHERE job_id = lost.id),
                (SELECT 'knowledge' FROM knowledge_contents WHERE id >> 24 = lost.id LIMIT 1), 'feedback'),
       COALESCE((SELECT workspace FROM deliveries WHERE record_id >> 24 = lost.id LIMIT 1),
                (SELECT workspace FROM objects WHERE intake >> 24 = lost.id AND origin = '' LIMIT 1),
                (SELECT workspace FROM staged_jobs WHERE job_id = lost.id), 'default'),
       COALESCE((SELECT owner FROM staged_jobs WHERE job_id = lost.id),
                (SELECT owner FROM audience_uploads WHERE job_id = lost.id), 'system'),
       'json_api', 'recovered',
       CASE WHEN lost.pending > 0 THEN 'queued' ELSE 'completed' END,
       lost.total, lost.total - lost.pending, lost.waiting, lost.discarded, :now,
       CASE WHEN lost.pending > 0 THEN NULL ELSE :now END, :now
FROM (SELECT id >> 24 AS id, MAX(id & 16777215) + 1 AS total, SUM(state = 'pending') AS pending,
             SUM(state = 'issue') AS waiting, SUM(state = 'discarded') AS discarded
      FROM records WHERE id >> 24 NOT IN (SELECT id FROM jobs) GROUP BY id >> 24) AS lost
RETURNING id;

-- name: count_unfinished
-- Jobs that are not at their end and lost records: what is not there any more does not wait.
UPDATE jobs
SET processed = total - (SELECT COUNT(*) FROM records AS r
                         WHERE r.id >= jobs.id << 24 AND r.id < (jobs.id + 1) << 24 AND r.state = 'pending'),
    cursor = 0, owner = NULL, lease_at = NULL
WHERE state IN ('queued', 'running')
  AND total > (SELECT COUNT(*) FROM records AS r WHERE r.id >= jobs.id << 24 AND r.id < (jobs.id + 1) << 24)
  AND NOT EXISTS (SELECT 1 FROM files WHERE job_id = jobs.id AND loaded_ms IS NULL);

-- name: drop_tickets
DELETE FROM tickets
WHERE origin = '' AND record IS NULL AND NOT EXISTS (SELECT 1 FROM records WHERE id = tickets.record_id)
RETURNING id;

-- name: drop_knowledge_articles
DELETE FROM knowledge_articles
WHERE origin = '' AND record IS NULL AND NOT EXISTS (SELECT 1 FROM records WHERE id = knowledge_articles.record_id)
RETURNING id;

-- name: drop_knowledge_contents
DELETE FROM knowledge_contents
WHERE NOT EXISTS (SELECT 1 FROM records WHERE id = knowledge_contents.id)
RETURNING id;

-- name: drop_knowledge_members
DELETE FROM knowledge_members
WHERE batch NOT IN (SELECT id FROM knowledge_batches) OR content NOT IN (SELECT id FROM knowledge_contents)
RETURNING batch || '/' || content;

-- name: make_audience_uploads
-- Uploads whose job is there and whose own row is lost.
INSERT INTO audience_uploads (id, workspace, origin, owner, public_id, job_id, name, fields, created_ms)
SELECT (SELECT upload FROM audience_records WHERE id >= j.id << 24 AND id < (j.id + 1) << 24 LIMIT 1),
       j.workspace, '', j.created_by, j.public_id, j.id, j.name, '[]', j.submitted_ms
FROM jobs AS j
WHERE j.family = 'audience' AND j.id NOT IN (SELECT job_id FROM audience_uploads)
  AND NOT EXISTS (SELECT 1 FROM audience_uploads
                  WHERE id = (SELECT upload FROM audience_records
                              WHERE id >= j.id << 24 AND id < (j.id + 1) << 24 LIMIT 1))
  AND NOT EXISTS (SELECT 1 FROM job_deletions WHERE job_id = j.id)
  AND EXISTS (SELECT 1 FROM audience_records WHERE id >= j.id << 24 AND id < (j.id + 1) << 24)
RETURNING id;

-- name: drop_audience_records
DELETE FROM audience_records
WHERE upload NOT IN (SELECT id FROM audience_uploads)
   OR (origin = '' AND record IS NULL AND NOT EXISTS (SELECT 1 FROM records WHERE id = audience_records.id))
RETURNING id;

-- name: drop_staged_keys
DELETE FROM staged_keys
WHERE NOT EXISTS (SELECT 1 FROM records WHERE id = staged_keys.record_id)
RETURNING job_id || '/' || key;

-- name: drop_staged_edits
DELETE FROM staged_edits
WHERE NOT EXISTS (SELECT 1 FROM records WHERE id = staged_edits.record_id)
RETURNING record_id;

-- name: drop_issues
-- Of lines that were refused the job is enough; all others need their record.
DELETE FROM issues
WHERE job_id NOT IN (SELECT id FROM jobs)
   OR (lane IS NULL AND NOT EXISTS (SELECT 1 FROM records WHERE id = issues.record_id))
RETURNING id;

-- name: drop_issue_records
DELETE FROM issue_records
WHERE issue_id NOT IN (SELECT id FROM issues) OR NOT EXISTS (SELECT 1 FROM records WHERE id = issue_records.record_id)
RETURNING record_id || '/' || issue_id;

-- name: make_issue_records
-- Links of issues that are there. Those of issues that hold several records may be lost with their rows.
INSERT INTO issue_records (record_id, issue_id, run, given_up)
SELECT i.record_id, i.id, 1, r.state = 'discarded' FROM issues AS i JOIN records AS r ON r.id = i.record_id
WHERE i.lane IS NULL AND NOT EXISTS (SELECT 1 FROM issue_records WHERE issue_id = i.id)
RETURNING record_id || '/' || issue_id;

-- name: drop_parked
DELETE FROM parked
WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE seq = parked.seq) OR lane NOT IN (SELECT name FROM lanes)
RETURNING lane || '/' || seq;

-- name: make_decisions
-- Issues of refused lines that are lost: nothing can be sent again.
UPDATE issues
SET resolved_ms = :now, resolution = 'discard', resolved_by = 'system', comment = 'Its line was lost.'
WHERE lane IS NOT NULL AND resolved_ms IS NULL
  AND NOT EXISTS (SELECT 1 FROM parked WHERE lane = issues.lane AND seq = issues.seq)
RETURNING id;

-- name: drop_sync_lines
DELETE FROM sync_lines WHERE source NOT IN (SELECT id FROM sync_boxes) RETURNING source || '/' || seq;

-- name: drop_sync_chains
DELETE FROM sync_chains WHERE source NOT IN (SELECT id FROM sync_boxes) RETURNING source || '/' || lane;

-- name: drop_sync_gaps
DELETE FROM sync_gaps WHERE source NOT IN (SELECT id FROM sync_boxes) RETURNING source || '/' || lane || '/' || after;

-- name: make_workspaces
INSERT OR IGNORE INTO workspaces (name)
SELECT workspace FROM tickets UNION SELECT workspace FROM contacts UNION SELECT workspace FROM knowledge_articles;

-- name: make_numbered
-- The number of a workspace is a part of the ids of its tickets, which are given anew where it is another now.
UPDATE tickets
SET id = (SELECT number FROM workspaces WHERE name = tickets.workspace) << 40 | (id & 1099511627775)
WHERE id >> 40 <> (SELECT number FROM workspaces WHERE name = tickets.workspace)
RETURNING id;

-- name: make_heads
-- An object whose head is lost keeps its version.
INSERT OR IGNORE INTO objects (origin, workspace, family, kind, object_id, version, intake)
SELECT origin, workspace, 'feedback', 'ticket', ticket_id, version, record_id FROM tickets
UNION ALL
SELECT origin, workspace, 'contacts', 'contact', object_id, version, record_id FROM contacts
UNION ALL
SELECT origin, workspace, 'audience', 'record', object_id, version, CASE origin WHEN '' THEN id ELSE 0 END
FROM audience_records
UNION ALL
SELECT origin, workspace, 'audience', 'segment', object_id, version,
       CASE WHEN job_id > 0 THEN job_id << 24 | 16777215 ELSE 0 END
FROM audience_segments WHERE version > 0
UNION ALL
SELECT origin, workspace, 'knowledge', 'article', object_id, version, record_id FROM knowledge_articles
RETURNING family || '/' || object_id;

-- name: count_refused
UPDATE jobs
SET refused = (SELECT COUNT(*) FROM issues WHERE job_id = jobs.id AND lane IS NOT NULL AND resolved_ms IS NULL);

-- name: count_staged
UPDATE staged_jobs
SET open_issues = (SELECT COUNT(*) FROM issues
                   WHERE job_id = staged_jobs.job_id AND lane IS NULL AND resolved_ms IS NULL),
    issues_seen = (SELECT COUNT(*) FROM issues WHERE job_id = staged_jobs.job_id AND lane IS NULL);

-- name: count_uploads
UPDATE audience_uploads
SET stored = (SELECT COUNT(*) FROM audience_records WHERE upload = audience_uploads.id)
WHERE origin <> '';

-- name: count_sources
UPDATE knowledge_sources
SET total_content = (SELECT COUNT(*) FROM knowledge_contents AS c
                     WHERE c.workspace = knowledge_sources.workspace AND c.source_id = knowledge_sources.source_id);

-- name: count_jobs
INSERT INTO job_tallies (workspace, family, state, jobs, records, processed)
SELECT workspace, family, state, COUNT(*), SUM(total), SUM(processed) FROM jobs GROUP BY workspace, family, state;

-- name: count_objects
INSERT INTO object_tallies (workspace, family, kind, remote, objects)
SELECT workspace, family, kind, origin <> '', COUNT(*) FROM objects WHERE deleted = 0
GROUP BY workspace, family, kind, origin <> '';

-- name: count_issues
INSERT INTO issue_tallies (workspace, family, open)
SELECT workspace, family, COUNT(*) FROM issues WHERE resolved_ms IS NULL GROUP BY workspace, family;

-- name: count_ticket_days
INSERT INTO ticket_days (workspace, day, sentiment, language, tickets, points)
SELECT workspace, day, sentiment, language, COUNT(*), SUM(points) FROM tickets
GROUP BY workspace, day, sentiment, language;

-- name: count_ticket_totals
INSERT INTO ticket_totals (workspace, sentiment, language, tickets)
SELECT workspace, sentiment, language, SUM(tickets) FROM ticket_days GROUP BY workspace, sentiment, language;

-- name: count_contacts
INSERT INTO contact_tallies (workspace, remote, owner, contacts)
SELECT workspace, origin <> '', owner, COUNT(*) FROM contacts GROUP BY workspace, origin <> '', owner;

-- name: count_companies
INSERT INTO contact_companies (workspace, owner, company_key, contacts)
SELECT workspace, owner, company_key, COUNT(*) FROM contacts WHERE origin = '' AND company_key <> ''
GROUP BY workspace, owner, company_key;

-- name: count_contact_days
INSERT INTO contact_days (day, first_id) SELECT created_ms / 86400000, MIN(id) FROM contacts GROUP BY 1;

-- name: make_searched_tickets
-- Put once more in the background, with all that they are found by.
UPDATE tickets SET indexed = 0;

-- name: make_searched_contacts
UPDATE contacts SET indexed = 0;

-- name: make_searched_articles
-- Passages, their words and vectors come back in the background.
INSERT INTO knowledge_indexed (article, edition, passages, model)
SELECT id, 1, json_array_length(CAST(result AS TEXT), '$.passages'), 0 FROM knowledge_articles;

-- name: make_bands
INSERT OR IGNORE INTO knowledge_bands (workspace, number, value, article)
SELECT workspace, number, value, article FROM knowledge_banded WHERE value IS NOT NULL;

-- name: make_job_words
INSERT INTO job_words (rowid, name) SELECT j.id, j.name FROM files AS f CROSS JOIN jobs AS j ON j.id = f.job_id;

-- name: make_box
-- A box whose row is lost is known by what it told upstream.
INSERT INTO box (one, box, epoch, next_seq, created_ms, probed_ms)
SELECT 1, COALESCE((SELECT CAST(line AS TEXT) ->> '$.box' FROM deliveries
                    WHERE origin = '' AND json_valid(CAST(line AS TEXT)) ORDER BY seq DESC LIMIT 1), :box),
       :epoch, 1, :now, :now
WHERE NOT EXISTS (SELECT 1 FROM box)
RETURNING box;

-- name: make_seqs
-- No number is used twice: beyond all that were heard of, and, where rows may be lost that knew one, far beyond.
UPDATE box
SET next_seq = MAX(next_seq, 1 + COALESCE((SELECT MAX(seq) FROM deliveries), 0),
                   1 + COALESCE((SELECT MAX(MAX(cursor), MAX(chain_seq), COALESCE(MAX(fresh_last), 0)) FROM lanes), 0),
                   1 + COALESCE((SELECT MAX(seq) FROM parked), 0), 1 + COALESCE((SELECT MAX(seq) FROM became), 0),
                   1 + purged_seq) + :beyond;

-- name: make_numbers
-- What AUTOINCREMENT has to go beyond.
UPDATE sqlite_sequence
SET seq = MAX(seq, CASE name
    WHEN 'jobs' THEN MAX(COALESCE((SELECT MAX(id) >> 24 FROM records), 0),
                         COALESCE((SELECT MAX(intake) >> 24 FROM objects WHERE origin = ''), 0),
                         COALESCE((SELECT MAX(record_id) >> 24 FROM deliveries), 0),
                         COALESCE((SELECT MAX(job_id) FROM files), 0))
    WHEN 'issues' THEN COALESCE((SELECT MAX(issue_id) FROM issue_records), 0)
    ELSE 0 END) + :beyond;

-- name: short
-- Jobs that are whole, but for records that are lost.
SELECT public_id FROM jobs AS j
WHERE state <> 'receiving'
  AND total > (SELECT COUNT(*) FROM records AS r WHERE r.id >= j.id << 24 AND r.id < (j.id + 1) << 24)
  AND NOT EXISTS (SELECT 1 FROM files WHERE job_id = j.id AND loaded_ms IS NULL)
ORDER BY id
LIMIT :most;
