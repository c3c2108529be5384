-- name: insert
INSERT INTO erasures (workspace, actor, request_id, reason, address, digest, dry_run, state, last_job, place, position,
                      created_ms, updated_ms)
SELECT :workspace, :actor, :request_id, :reason, :address, :digest, :dry_run, 'running',
       COALESCE((SELECT MAX(id) FROM jobs), 0), :place, '[]', :now, :now
RETURNING id;

-- name: under_way
-- The one that the same request joins.
SELECT id FROM erasures
WHERE workspace = :workspace AND digest = :digest AND dry_run = :dry_run AND done_ms IS NULL;

-- name: earlier
-- The newest before this one that was for the same address; `digests` is a JSON list, for secrets are replaced.
SELECT e.id FROM json_each(:digests) AS given
CROSS JOIN erasures AS e ON e.workspace = :workspace AND e.digest = given.value
WHERE e.id < :id AND e.dry_run = 0
ORDER BY e.id DESC
LIMIT 1;

-- name: one
SELECT id, workspace, actor, request_id, reason, address, digest, dry_run, state, last_job, place, position, again,
       counts, created_ms, updated_ms, done_ms
FROM erasures
WHERE id = :id;

-- name: page
-- Newest first, below the id that the last page ended with.
SELECT id, workspace, actor, request_id, reason, address, digest, dry_run, state, last_job, place, position, again,
       counts, created_ms, updated_ms, done_ms
FROM erasures
WHERE workspace = :workspace AND id < :below
ORDER BY id DESC
LIMIT :limit;

-- name: page_everywhere
SELECT id, workspace, actor, request_id, reason, address, digest, dry_run, state, last_job, place, position, again,
       counts, created_ms, updated_ms, done_ms
FROM erasures
WHERE id < :below
ORDER BY id DESC
LIMIT :limit;

-- name: open
SELECT id FROM erasures WHERE done_ms IS NULL ORDER BY id LIMIT :limit;

-- name: move
-- Whoever looked at another place than this one is not to write.
UPDATE erasures
SET place = :place, position = :position, counts = :counts, state = :state, again = :again, updated_ms = :now
WHERE id = :id AND place = :was_place AND position = :was_position AND done_ms IS NULL;

-- name: forget
-- It is looked for no more.
UPDATE erasures SET address = NULL WHERE id = :id;

-- name: end
UPDATE erasures SET state = 'done', done_ms = :now, updated_ms = :now WHERE id = :id AND done_ms IS NULL;

-- name: coming_in
-- Whether records of these jobs are still to come: from a request, or from a file.
SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'receiving' AND id <= :last_job AND :workspace IN (workspace, '*'))
    OR EXISTS (
        SELECT 1 FROM files AS f CROSS JOIN jobs AS j ON j.id = f.job_id
        WHERE f.loaded_ms IS NULL AND f.job_id <= :last_job AND :workspace IN (j.workspace, '*')
    );

-- name: job
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms,
       discarded
FROM jobs
WHERE id = :id;

-- name: records
-- The casts here and below cost nothing, and a flipped bit can make a text of a blob. Here and below without a limit:
-- the reader stops when it has enough.
SELECT id, CAST(key AS BLOB), state, CAST(payload AS BLOB), crc FROM records
WHERE id > :after AND id < :beyond
ORDER BY id;

-- name: rewrite_record
UPDATE records SET key = :key, payload = :payload, crc = :crc, state = :state
WHERE id = :id AND crc = :was_crc AND state = :was_state AND key = CAST(:was_key AS TEXT);

-- name: take_away
-- A worker has in hand what its records were; what it makes of them does not count any more.
UPDATE jobs SET state = 'queued', owner = NULL, lease_at = NULL, updated_ms = :now
WHERE id = :id AND owner IS NOT NULL AND state = 'running';

-- name: count_given_up
-- Unlike jobs.discard it leaves the job where it is: it waits for its person still.
UPDATE jobs
SET processed = processed + :pending, issues = issues - :issues, discarded = discarded + :pending + :issues + :done,
    updated_ms = :now
WHERE id = :id;

-- name: head
SELECT version, intake FROM objects
WHERE origin = :origin AND workspace = :workspace AND family = :family AND kind = :kind AND object_id = :object_id
  AND deleted = 0;

-- name: next_version
UPDATE objects SET version = version + 1
WHERE origin = '' AND workspace = :workspace AND family = :family AND kind = :kind AND object_id = :object_id
  AND version = :version AND deleted = 0
RETURNING version;

-- name: bury
-- What came from another box: a tombstone of the same version, which the same line does not bring back.
UPDATE objects SET deleted = 1
WHERE origin = :origin AND workspace = :workspace AND family = :family AND kind = :kind AND object_id = :object_id;

-- name: deliveries
SELECT seq, epoch, op, workspace, object_id, record_id, CAST(line AS BLOB), crc FROM deliveries
WHERE seq > :after
ORDER BY seq;

-- name: rewrite_delivery
UPDATE deliveries SET line = :line, crc = :crc, object_id = :object_id WHERE seq = :seq AND crc = :was_crc;

-- name: answers
SELECT scope, key, body FROM idempotency WHERE (scope, key) > (:p0, :p1) ORDER BY scope, key;

-- name: rewrite_answer
UPDATE idempotency SET body = :body WHERE scope = :scope AND key = :key AND body IS :was_body;

-- name: drop_answer
DELETE FROM idempotency WHERE scope = :scope AND key = :key AND status IS NOT NULL;

-- name: stored_files
SELECT f.job_id, j.workspace, f.stored, f.rows_file, f.form
FROM files AS f CROSS JOIN jobs AS j ON j.id = f.job_id
WHERE f.job_id > :after AND f.job_id <= :last_job AND f.removed_ms IS NULL AND f.loaded_ms IS NOT NULL
ORDER BY f.job_id
LIMIT :limit;

-- name: retire_file
UPDATE files SET removed_ms = :now WHERE job_id = :job_id AND removed_ms IS NULL AND loaded_ms IS NOT NULL;

-- name: scan_uploads
-- Workspace, key, columns, as below: names of uploads of audience, and of their columns.
SELECT workspace, id, name, fields FROM audience_uploads WHERE id > :p0 ORDER BY id;

-- name: rewrite_uploads
UPDATE audience_uploads SET name = :name, fields = :fields
WHERE id = :k0 AND name = :was_name AND fields = :was_fields;

-- name: scan_contents
-- What was taken in of knowledge, its batches and sources.
SELECT workspace, id, source_id, url FROM knowledge_contents WHERE id > :p0 ORDER BY id;

-- name: rewrite_contents
UPDATE knowledge_contents SET source_id = :source_id, url = :url
WHERE id = :k0 AND source_id = :was_source_id AND url = :was_url;

-- name: scan_batches
SELECT workspace, id, name, parent FROM knowledge_batches WHERE id > :p0 ORDER BY id;

-- name: rewrite_batches
UPDATE knowledge_batches SET name = :name, parent = :parent
WHERE id = :k0 AND name = :was_name AND parent = :was_parent;

-- name: scan_sources
SELECT workspace, id, source_id, name, settings FROM knowledge_sources WHERE id > :p0 ORDER BY id;

-- name: rewrite_sources
UPDATE knowledge_sources SET source_id = :source_id, name = :name, settings = :settings
WHERE id = :k0 AND source_id = :was_source_id AND name = :was_name AND settings = :was_settings;

-- name: scan_issues
-- Workspace, key, columns: so are the others that are called so. What follows changes a row that is still the same.
SELECT workspace, id, message, field, comment, resolved_by, key, refusal FROM issues WHERE id > :p0 ORDER BY id;

-- name: rewrite_issues
UPDATE issues
SET message = :message, field = :field, comment = :comment, resolved_by = :resolved_by, key = :key, refusal = :refusal
WHERE id = :k0 AND message = :was_message AND field IS :was_field AND comment IS :was_comment
  AND resolved_by IS :was_resolved_by AND key IS :was_key AND refusal IS :was_refusal;

-- name: scan_jobs
SELECT workspace, id, name, error, warnings FROM jobs WHERE id > :p0 ORDER BY id;

-- name: rewrite_jobs
UPDATE jobs SET name = :name, error = :error, warnings = :warnings
WHERE id = :k0 AND name = :was_name AND error IS :was_error AND warnings = :was_warnings;

-- name: scan_staged
SELECT workspace, job_id, name FROM staged_jobs WHERE job_id > :p0 ORDER BY job_id;

-- name: rewrite_staged
UPDATE staged_jobs SET name = :name WHERE job_id = :k0 AND name = :was_name;

-- name: scan_files
SELECT j.workspace, f.job_id, f.form, f.plan, f.position, f.about
FROM files AS f CROSS JOIN jobs AS j ON j.id = f.job_id
WHERE f.job_id > :p0 AND f.loaded_ms IS NOT NULL
ORDER BY f.job_id;

-- name: rewrite_files
UPDATE files SET form = :form, plan = :plan, position = :position, about = :about
WHERE job_id = :k0 AND form = :was_form AND plan = :was_plan AND position = :was_position AND about = :was_about;

-- name: scan_parked
SELECT d.workspace, p.lane, p.seq, p.code, p.message, p.decided_by, p.reason
FROM parked AS p LEFT JOIN deliveries AS d ON d.seq = p.seq
WHERE (p.lane, p.seq) > (:p0, :p1)
ORDER BY p.lane, p.seq;

-- name: rewrite_parked
UPDATE parked SET code = :code, message = :message, decided_by = :decided_by, reason = :reason
WHERE lane = :k0 AND seq = :k1 AND code = :was_code AND message = :was_message
  AND decided_by IS :was_decided_by AND reason IS :was_reason;

-- name: scan_became
SELECT workspace, record_id, object_id FROM became WHERE record_id > :p0 ORDER BY record_id;

-- name: rewrite_became
UPDATE became SET object_id = :object_id WHERE record_id = :k0 AND object_id = :was_object_id;

-- name: scan_audit
SELECT workspace, id, before, after, request_id FROM audit WHERE id > :p0 AND object <> 'user' ORDER BY id;

-- name: rewrite_audit
UPDATE audit SET before = :before, after = :after, request_id = :request_id
WHERE id = :k0 AND before IS :was_before AND after IS :was_after AND request_id IS :was_request_id;

-- name: scan_bulk
SELECT j.workspace, b.id, b.key, CAST(b.payload AS TEXT)
FROM bulk_changes AS b LEFT JOIN jobs AS j ON j.id = b.record_id >> 24
WHERE b.id > :p0
ORDER BY b.id;

-- name: drop_bulk
-- What a decision found there cannot be put back.
DELETE FROM bulk_changes WHERE id = :k0;

-- name: scan_rules
SELECT workspace, id, name FROM rules WHERE id > :p0 ORDER BY id;

-- name: rewrite_rules
UPDATE rules SET name = :name WHERE id = :k0 AND name = :was_name;

-- name: scan_rulings
SELECT workspace, id, rule FROM rules WHERE id > :p0 ORDER BY id;

-- name: drop_rulings
-- It would write the mark into rows of later imports.
DELETE FROM rules WHERE id = :k0;

-- name: scan_mappings
SELECT workspace, workspace, owner, signature, mapping FROM contact_mappings
WHERE (workspace, owner, signature) > (:p0, :p1, :p2)
ORDER BY workspace, owner, signature;

-- name: drop_mappings
DELETE FROM contact_mappings WHERE workspace = :k0 AND owner = :k1 AND signature = :k2;

-- name: changes
-- How many rows this connection has changed so far.
SELECT total_changes();

-- name: free_pages
SELECT freelist_count FROM pragma_freelist_count;

-- name: vacuum
-- A slice: the last pages of the file take the place of free ones, which hold what was there before.
PRAGMA incremental_vacuum(100);
