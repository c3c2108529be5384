-- What an export gives of each table but those with payloads (store/exporting.py). Each is a page in the order of its key:
-- the key, whose it is (NULL: the box's), and the line, whose times (`…_ms`) become ISO 8601. Nothing secret is here.

-- name: job
SELECT j.id, j.workspace,
       json_object('id', j.public_id, 'number', CAST(j.id AS TEXT), 'family', j.family, 'workspace', j.workspace,
                   'created_by', j.created_by, 'source', j.source, 'name', j.name, 'state', j.state,
                   'total', j.total, 'processed', j.processed, 'issues', j.issues, 'discarded', j.discarded,
                   'refused', j.refused, 'tallies', json(j.tallies), 'warnings', json(j.warnings), 'error', j.error,
                   'phase', s.phase, 'file', f.stored, 'file_sha256', f.sha256, 'submitted_ms', j.submitted_ms,
                   'started_ms', j.started_ms, 'completed_ms', j.completed_ms, 'undone_ms', s.undone_ms,
                   'updated_ms', j.updated_ms)
FROM jobs AS j
LEFT JOIN staged_jobs AS s ON s.job_id = j.id
LEFT JOIN files AS f ON f.job_id = j.id AND f.removed_ms IS NULL
WHERE j.id > :after1 AND j.state <> 'receiving' ORDER BY j.id LIMIT 500;

-- name: issue
SELECT i.id, i.workspace,
       json_object('id', CAST(i.id AS TEXT), 'workspace', i.workspace, 'family', i.family, 'job', j.public_id,
                   'record', CAST(i.record_id AS TEXT), 'code', i.code, 'message', i.message, 'field', i.field,
                   'key', i.key, 'comment', i.comment, 'revision', i.revision, 'resolution', i.resolution,
                   'resolved_by', i.resolved_by, 'lane', i.lane, 'seq', i.seq, 'refusal', i.refusal,
                   'held', json(CASE i.held WHEN 0 THEN 'false' ELSE 'true' END),
                   'accepted', json(CASE i.accepted WHEN 0 THEN 'false' ELSE 'true' END),
                   'created_ms', i.created_ms, 'resolved_ms', i.resolved_ms)
FROM issues AS i LEFT JOIN jobs AS j ON j.id = i.job_id
WHERE i.id > :after1 ORDER BY i.id LIMIT 500;

-- name: issue_record
-- Which records are in an issue that has several.
SELECT l.record_id, l.issue_id, i.workspace,
       json_object('issue', CAST(l.issue_id AS TEXT), 'record', CAST(l.record_id AS TEXT), 'run', l.run,
                   'given_up', json(CASE l.given_up WHEN 0 THEN 'false' ELSE 'true' END))
FROM issue_records AS l LEFT JOIN issues AS i ON i.id = l.issue_id
WHERE (l.record_id, l.issue_id) > (:after1, :after2) ORDER BY l.record_id, l.issue_id LIMIT 500;

-- name: tombstone
-- Of what was deleted: which version told so. Rows without a line are passed over.
SELECT origin, workspace, family, kind, object_id, workspace,
       CASE deleted WHEN 0 THEN NULL ELSE
           json_object('family', family, 'object', kind, 'id', object_id, 'workspace', workspace, 'origin', origin,
                       'version', version)
       END
FROM objects
WHERE (origin, workspace, family, kind, object_id) > (:after1, :after2, :after3, :after4, :after5)
ORDER BY origin, workspace, family, kind, object_id LIMIT 2000;

-- name: lane
SELECT name, NULL,
       json_object('name', name, 'url', url, 'state', state, 'reason', reason, 'cursor', cursor, 'enqueued', enqueued,
                   'delivered', delivered, 'families', json(families), 'kinds', json(kinds),
                   'workspaces', json(workspaces), 'ops', json(ops), 'held_by', held_by, 'held_reason', held_reason,
                   'held_ms', held_ms, 'since_ms', since_ms, 'delivered_ms', delivered_ms)
FROM lanes WHERE name > :after1 ORDER BY name LIMIT 500;

-- name: refusal
-- What an upstream refused, and what was decided about it.
SELECT p.lane, p.seq, NULL,
       json_object('lane', p.lane, 'seq', p.seq, 'code', p.code, 'message', p.message, 'state', p.state,
                   'decided_by', p.decided_by, 'decided_ms', p.decided_ms, 'reason', p.reason, 'refused_ms', p.at_ms)
FROM parked AS p WHERE (p.lane, p.seq) > (:after1, :after2) ORDER BY p.lane, p.seq LIMIT 500;

-- name: user
SELECT id, workspace,
       json_object('id', CAST(id AS TEXT), 'email', email, 'roles', roles, 'workspace', workspace,
                   'created_by', created_by, 'created_ms', created_ms, 'updated_ms', updated_ms, 'login_ms', login_ms,
                   'disabled_ms', disabled_ms)
FROM users WHERE id > :after1 ORDER BY id LIMIT 500;

-- name: key
SELECT id, workspace,
       json_object('id', CAST(id AS TEXT), 'name', name, 'roles', roles, 'workspace', workspace,
                   'created_by', created_by, 'created_ms', created_ms, 'expires_ms', expires_ms, 'used_ms', used_ms,
                   'revoked_ms', revoked_ms)
FROM api_keys WHERE id > :after1 ORDER BY id LIMIT 500;

-- name: rule
SELECT id, workspace,
       json_object('id', CAST(id AS TEXT), 'workspace', workspace, 'family', family, 'owner', owner, 'name', name,
                   'code', code, 'rule', json(rule), 'created_by', created_by, 'created_ms', created_ms)
FROM rules WHERE id > :after1 ORDER BY id LIMIT 500;

-- name: operation
-- Decisions about many issues at once.
SELECT o.id, o.workspace,
       json_object('id', CAST(o.id AS TEXT), 'workspace', o.workspace, 'actor', o.actor, 'job', j.public_id,
                   'rule', CAST(o.rule_id AS TEXT), 'made_ms', o.at_ms, 'undone_ms', o.undone_ms)
FROM bulk_operations AS o LEFT JOIN jobs AS j ON j.id = o.job_id
WHERE o.id > :after1 ORDER BY o.id LIMIT 500;

-- name: audit
SELECT id, workspace,
       json_object('id', CAST(id AS TEXT), 'workspace', workspace, 'actor', actor, 'action', action, 'object', object,
                   'object_id', object_id, 'before', json(before), 'after', json(after), 'request_id', request_id,
                   'made_ms', at_ms)
FROM audit WHERE id > :after1 ORDER BY id LIMIT 500;

-- name: erasure
-- Without the address.
SELECT id, workspace,
       json_object('id', CAST(id AS TEXT), 'workspace', workspace, 'actor', actor, 'reason', reason, 'digest', digest,
                   'dry_run', json(CASE dry_run WHEN 0 THEN 'false' ELSE 'true' END), 'state', state,
                   'counts', json(counts), 'created_ms', created_ms, 'updated_ms', updated_ms, 'done_ms', done_ms)
FROM erasures WHERE id > :after1 ORDER BY id LIMIT 500;

-- name: sender
-- Boxes that send here.
SELECT id, NULL,
       json_object('box', box, 'epoch', epoch, 'last_seen_ms', last_seen_ms, 'newest_ms', newest_ms, 'reused', reused)
FROM sync_boxes WHERE id > :after1 ORDER BY id LIMIT 500;
