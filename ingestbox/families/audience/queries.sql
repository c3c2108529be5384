-- name: put_job
-- What is kept of a batch as a whole; its job is made in the same transaction.
INSERT INTO audience_uploads (workspace, origin, owner, public_id, job_id, name, fields, created_ms)
VALUES (:workspace, '', :owner, :public_id, :job_id, :name, :fields, :now);

-- name: put_record
-- The object's version was decided before (objects.put); `job_id` is the upload's id. See the trigger of
-- `audience_puts`.
INSERT INTO audience_puts (workspace, origin, owner, object_id, version, record_id, upload_id, match, duplicate_of,
                           email, updated_ms, result, record, crc, lineage)
VALUES (:workspace, :origin, :owner, :object_id, :version, :record_id, :job_id, :match, :duplicate_of, :email, :at_ms,
        :result, :record, :crc, CAST(:lineage AS TEXT));

-- name: put_own_record
-- The same for a record of this box's own, of the upload with the id `job`: most of what `audience_puts` has to ask is
-- known, and its triggers take as long as the rest. The index of a record is in its id.
INSERT INTO audience_records (id, upload, place, workspace, origin, owner, object_id, version, match, duplicate_of,
                              email, updated_ms, result, record, crc)
SELECT :record_id, u.id, :record_id & (1 << 24) - 1, :workspace, '', :owner, :object_id, :version, :match,
       :duplicate_of, :email, :at_ms, :result, NULL, :crc
FROM audience_uploads AS u
WHERE u.job_id = :job AND u.job_id > 0
ON CONFLICT (object_id, origin, workspace) DO UPDATE
SET owner = excluded.owner, version = excluded.version, match = excluded.match, duplicate_of = excluded.duplicate_of,
    email = excluded.email, updated_ms = excluded.updated_ms, result = excluded.result, crc = excluded.crc;

-- name: remove_record
-- Its tombstone is in `objects`.
DELETE FROM audience_records WHERE workspace = :workspace AND origin = :origin AND object_id = :object_id;

-- name: given_up
-- What became of records before they were given up: the kind, and the object. `ids` is a JSON list.
SELECT 'record', r.object_id FROM json_each(:ids) AS given CROSS JOIN audience_records AS r ON r.id = given.value;

-- name: forget_job
-- Nobody sees the upload any more; its records follow (store/deleting.py).
DELETE FROM audience_uploads WHERE job_id = :job_id AND job_id > 0;

-- name: of_job_record
-- The last ones first: what is the first of several in one upload goes after its duplicates.
SELECT object_id, LENGTH(result) FROM audience_records WHERE id >= :first AND id < :beyond
ORDER BY id DESC
LIMIT :limit;

-- name: firsts_record
-- `matches` is a JSON list.
SELECT r.match, r.object_id
FROM json_each(:matches) AS given CROSS JOIN audience_records AS r
  ON r.workspace = :workspace AND r.owner = :owner AND r.match = given.value AND r.origin = ''
     AND r.duplicate_of IS NULL;

-- name: followers_record
-- Those of an upload that is deleted go by themselves.
SELECT r.id, r.object_id, r.match, CAST(r.result AS BLOB), r.crc
FROM audience_records AS r
WHERE r.workspace = :workspace AND r.owner = :owner AND r.duplicate_of = :object_id AND r.id > :after AND r.origin = ''
  AND EXISTS (SELECT 1 FROM audience_uploads AS u WHERE u.id = r.upload)
ORDER BY r.id
LIMIT :limit;

-- name: retell_record
-- Nothing but what it is a duplicate of is another.
UPDATE audience_records
SET version = COALESCE(:version, version), duplicate_of = :duplicate_of, result = :result, crc = :crc,
    updated_ms = :at_ms
WHERE workspace = :workspace AND object_id = :object_id AND origin = '';

-- name: erasable_record
-- What an erasure looks through (store/erasing/objects.py: Stored); without a limit: the reader stops by itself.
SELECT r.id, r.workspace, r.origin, r.object_id, r.version, CASE r.origin WHEN '' THEN r.id ELSE 0 END, r.updated_ms,
       CAST(r.result AS BLOB), CAST(r.record AS BLOB), r.crc, r.email, r.owner, u.public_id, u.job_id
FROM audience_records AS r LEFT JOIN audience_uploads AS u ON u.id = r.upload
WHERE r.id > :after AND r.id < :below
ORDER BY r.id;

-- name: number_record
SELECT id FROM audience_records WHERE workspace = :workspace AND object_id = :object_id AND origin = '';

-- name: upload
-- One of this box, with what its job counts; an upload that is deleted has no row.
SELECT u.id, u.public_id, u.name, u.fields, u.created_ms, u.workspace, u.origin, u.owner, u.job_id, j.total,
       j.processed, j.issues, j.discarded
FROM audience_uploads AS u JOIN jobs AS j ON j.id = u.job_id
WHERE u.public_id = :public_id AND u.origin = '' AND j.state <> 'receiving';

-- name: there
-- Whether an upload is still there.
SELECT 1 FROM audience_uploads WHERE id = :id;

-- name: uploads_mine
-- Newest first.
SELECT u.id, u.public_id, u.name, u.fields, u.created_ms, u.workspace, u.origin, u.owner, u.job_id, j.total,
       j.processed, j.issues, j.discarded
FROM audience_uploads AS u CROSS JOIN jobs AS j ON j.id = u.job_id
WHERE u.workspace = :workspace AND u.owner = :owner AND u.origin = '' AND u.id < :below AND j.state <> 'receiving'
ORDER BY u.id DESC
LIMIT :limit;

-- name: uploads_here
-- Everybody's in a workspace, those that came from other boxes too.
SELECT u.id, u.public_id, u.name, u.fields, u.created_ms, u.workspace, u.origin, u.owner, u.job_id,
       COALESCE(j.total, u.stored), COALESCE(j.processed, u.stored), COALESCE(j.issues, 0), COALESCE(j.discarded, 0)
FROM audience_uploads AS u LEFT JOIN jobs AS j ON j.id = u.job_id AND u.job_id > 0
WHERE u.workspace = :workspace AND u.id < :below AND (u.job_id = 0 OR j.state <> 'receiving')
ORDER BY u.id DESC
LIMIT :limit;

-- name: uploads_everywhere
SELECT u.id, u.public_id, u.name, u.fields, u.created_ms, u.workspace, u.origin, u.owner, u.job_id,
       COALESCE(j.total, u.stored), COALESCE(j.processed, u.stored), COALESCE(j.issues, 0), COALESCE(j.discarded, 0)
FROM audience_uploads AS u LEFT JOIN jobs AS j ON j.id = u.job_id AND u.job_id > 0
WHERE u.id < :below AND (u.job_id = 0 OR j.state <> 'receiving')
ORDER BY u.id DESC
LIMIT :limit;

-- name: count_mine
-- Without those that are being received.
SELECT (SELECT COUNT(*) FROM audience_uploads WHERE workspace = :workspace AND owner = :owner AND origin = '')
     - (SELECT COUNT(*) FROM jobs AS j CROSS JOIN audience_uploads AS u ON u.job_id = j.id AND u.job_id > 0
        WHERE j.state = 'receiving' AND u.workspace = :workspace AND u.owner = :owner);

-- name: count_here
SELECT (SELECT COUNT(*) FROM audience_uploads WHERE workspace = :workspace)
     - (SELECT COUNT(*) FROM jobs AS j CROSS JOIN audience_uploads AS u ON u.job_id = j.id AND u.job_id > 0
        WHERE j.state = 'receiving' AND u.workspace = :workspace);

-- name: count_everywhere
SELECT (SELECT COUNT(*) FROM audience_uploads)
     - (SELECT COUNT(*) FROM jobs AS j CROSS JOIN audience_uploads AS u ON u.job_id = j.id AND u.job_id > 0
        WHERE j.state = 'receiving');

-- name: records
-- What there is of an upload of this box, in its order, with what was found out about it, once that is known.
SELECT r.id, CAST(r.key AS BLOB), CAST(r.payload AS BLOB), r.crc, CAST(a.result AS BLOB), a.crc
FROM records AS r LEFT JOIN audience_records AS a ON a.id = r.id AND r.state = 'done'
WHERE r.id > :after AND r.id < :beyond AND (r.state = 'pending' OR r.state = 'done')
ORDER BY r.id
LIMIT :limit;

-- name: records_passing
-- Those after one record, up to another, that pass (store/conditions.py). What is not JSON any more has no member.
WITH seen AS MATERIALIZED (
    SELECT r.id AS id,
           CASE WHEN json_valid(CAST(r.payload AS TEXT)) THEN CAST(r.payload AS TEXT) END AS record,
           CASE WHEN json_valid(CAST(a.result AS TEXT)) THEN CAST(a.result AS TEXT) END AS result
    FROM records AS r LEFT JOIN audience_records AS a ON a.id = r.id AND r.state = 'done'
    WHERE r.id > :after AND r.id <= :upto AND (r.state = 'pending' OR r.state = 'done')
)
SELECT r.id, CAST(r.key AS BLOB), CAST(r.payload AS BLOB), r.crc, CAST(a.result AS BLOB), a.crc
FROM seen CROSS JOIN records AS r ON r.id = seen.id
LEFT JOIN audience_records AS a ON a.id = r.id AND r.state = 'done'
WHERE :condition
ORDER BY seen.id
LIMIT :limit;

-- name: records_count
WITH seen AS MATERIALIZED (
    SELECT r.id AS id,
           CASE WHEN json_valid(CAST(r.payload AS TEXT)) THEN CAST(r.payload AS TEXT) END AS record,
           CASE WHEN json_valid(CAST(a.result AS TEXT)) THEN CAST(a.result AS TEXT) END AS result
    FROM records AS r LEFT JOIN audience_records AS a ON a.id = r.id AND r.state = 'done'
    WHERE r.id > :after AND r.id <= :upto AND (r.state = 'pending' OR r.state = 'done')
)
SELECT COUNT(*) FROM seen WHERE :condition;

-- name: records_among
-- `given` is a JSON list of records, in order.
SELECT r.id, CAST(r.key AS BLOB), CAST(r.payload AS BLOB), r.crc, CAST(a.result AS BLOB), a.crc
FROM json_each(:given) AS given CROSS JOIN records AS r ON r.id = given.value
LEFT JOIN audience_records AS a ON a.id = r.id AND r.state = 'done'
WHERE r.state = 'pending' OR r.state = 'done';

-- name: results
-- What was found out about records of an upload of this box; `ids` is a JSON list.
SELECT a.id, CAST(a.result AS BLOB), a.crc
FROM json_each(:ids) AS given CROSS JOIN records AS r ON r.id = given.value
CROSS JOIN audience_records AS a ON a.id = r.id
WHERE r.state = 'done';

-- name: upload_from
-- One that came from another box; of several workspaces' the caller's own comes first.
SELECT u.id, u.public_id, u.name, u.fields, u.created_ms, u.workspace, u.origin, u.owner, u.job_id, u.stored,
       u.stored, 0, 0
FROM audience_uploads AS u
WHERE u.public_id = :public_id AND u.origin = :box AND u.origin <> ''
ORDER BY u.workspace <> :workspace, u.id
LIMIT 1;

-- name: records_from
-- The records of an upload that came from another box, in its order; a row is like one of `records`.
SELECT place, NULL, CAST(record AS BLOB), crc, CAST(result AS BLOB), NULL
FROM audience_records
WHERE upload = :upload AND place > :after AND origin <> ''
ORDER BY place
LIMIT :limit;

-- name: last_from
SELECT COALESCE(MAX(place), -1) FROM audience_records WHERE upload = :upload AND origin <> '';

-- name: records_from_passing
WITH seen AS MATERIALIZED (
    SELECT id, place,
           CASE WHEN json_valid(CAST(record AS TEXT)) THEN CAST(record AS TEXT) END AS record,
           CASE WHEN json_valid(CAST(result AS TEXT)) THEN CAST(result AS TEXT) END AS result
    FROM audience_records
    WHERE upload = :upload AND place > :after AND place <= :upto AND origin <> ''
)
SELECT a.place, NULL, CAST(a.record AS BLOB), a.crc, CAST(a.result AS BLOB), NULL
FROM seen CROSS JOIN audience_records AS a ON a.id = seen.id
WHERE :condition
ORDER BY seen.place
LIMIT :limit;

-- name: records_from_count
WITH seen AS MATERIALIZED (
    SELECT CASE WHEN json_valid(CAST(record AS TEXT)) THEN CAST(record AS TEXT) END AS record,
           CASE WHEN json_valid(CAST(result AS TEXT)) THEN CAST(result AS TEXT) END AS result
    FROM audience_records
    WHERE upload = :upload AND place > :after AND place <= :upto AND origin <> ''
)
SELECT COUNT(*) FROM seen WHERE :condition;

-- name: records_from_among
-- `given` is a JSON list of places.
SELECT a.place, NULL, CAST(a.record AS BLOB), a.crc, CAST(a.result AS BLOB), NULL
FROM json_each(:given) AS given CROSS JOIN audience_records AS a
  ON a.upload = :upload AND a.place = given.value AND a.origin <> '';

-- name: segment
-- One by its id, of this box ('') or another; the segments of an upload that is deleted are gone with it. Of several
-- workspaces' the caller's own comes first.
SELECT s.id, s.workspace, s.origin, s.owner, s.object_id, s.upload_id, s.job_id, s.version, s.forward, s.frozen,
       s.created_ms, s.updated_ms, s.crc, CAST(s.record AS BLOB)
FROM audience_segments_there AS s
WHERE s.object_id = :object_id AND s.origin = :box
ORDER BY s.workspace <> :workspace, s.id
LIMIT 1;

-- name: segment_result
SELECT CAST(record AS BLOB), CAST(result AS BLOB), crc FROM audience_segments WHERE id = :id;

-- name: segment_settled
-- Whether nothing of an upload waits to be processed; no row if it was deleted.
SELECT j.processed >= j.total FROM audience_uploads AS u JOIN jobs AS j ON j.id = u.job_id
WHERE u.job_id = :job_id AND u.job_id > 0;

-- name: add_segment
-- With its own id again, if it has one.
INSERT INTO audience_segments (id, workspace, origin, owner, object_id, upload_id, job_id, version, forward, frozen,
                               created_ms, updated_ms, crc, record, result)
VALUES (:id, :workspace, '', :owner, :object_id, :upload_id, :job_id, :version, :forward, :frozen, :created_ms, :now,
        :crc, :record, :result);

-- name: change_segment
-- Unless somebody else was first.
UPDATE audience_segments
SET forward = :forward, frozen = :frozen, updated_ms = :now, crc = :crc, record = :record, result = :result
WHERE id = :id AND updated_ms = :was_updated AND crc = :was_crc AND forward = :was_forward;

-- name: put_segment
-- The version was decided before (objects.put, sync.version). What is put is forwarded, and stays so.
INSERT INTO audience_segments (workspace, origin, owner, object_id, upload_id, job_id, version, forward, frozen,
                               created_ms, updated_ms, crc, record, result)
VALUES (:workspace, :origin, :owner, :object_id, :upload_id, :job, :version, 1, :frozen, :at_ms, :at_ms, :crc,
        :record, :result)
ON CONFLICT (object_id, origin, workspace) DO UPDATE
SET owner = excluded.owner, version = excluded.version, frozen = excluded.frozen, updated_ms = excluded.updated_ms,
    crc = excluded.crc, record = excluded.record, result = excluded.result;

-- name: remove_segment
DELETE FROM audience_segments WHERE workspace = :workspace AND origin = :origin AND object_id = :object_id;

-- name: of_job_segment
SELECT object_id, LENGTH(record) + LENGTH(result) FROM audience_segments WHERE job_id = :job_id AND job_id > 0
LIMIT :limit;

-- name: erasable_segment
-- One of this box has a place beside the records of its job (model.py: BESIDE).
SELECT id, workspace, origin, object_id, version, (job_id << 24 | 16777215) * (job_id > 0), updated_ms,
       CAST(result AS BLOB), CAST(record AS BLOB), crc, NULL, owner, upload_id, job_id
FROM audience_segments
WHERE id > :after AND id < :below
ORDER BY id;

-- name: number_segment
SELECT id FROM audience_segments WHERE workspace = :workspace AND object_id = :object_id AND origin = '';

-- name: records_there
-- How many of these records are still there; `given` is a JSON list.
SELECT COUNT(*) FROM json_each(:given) AS given CROSS JOIN records AS r ON r.id = given.value
WHERE r.state = 'pending' OR r.state = 'done';

-- name: records_from_there
SELECT COUNT(*) FROM json_each(:given) AS given CROSS JOIN audience_records AS a
  ON a.upload = :upload AND a.place = given.value AND a.origin <> '';

-- name: segments_mine
SELECT s.id, s.workspace, s.origin, s.owner, s.object_id, s.upload_id, s.job_id, s.version, s.forward, s.frozen,
       s.created_ms, s.updated_ms, s.crc, CAST(s.record AS BLOB)
FROM audience_segments_there AS s
WHERE s.workspace = :workspace AND s.owner = :owner AND s.origin = '' AND s.id < :below
ORDER BY s.id DESC
LIMIT :limit;

-- name: segments_count_mine
SELECT COUNT(*) FROM audience_segments_there AS s
WHERE s.workspace = :workspace AND s.owner = :owner AND s.origin = '';

-- name: segments_here
SELECT s.id, s.workspace, s.origin, s.owner, s.object_id, s.upload_id, s.job_id, s.version, s.forward, s.frozen,
       s.created_ms, s.updated_ms, s.crc, CAST(s.record AS BLOB)
FROM audience_segments_there AS s
WHERE s.workspace = :workspace AND s.id < :below
ORDER BY s.id DESC
LIMIT :limit;

-- name: segments_count_here
SELECT COUNT(*) FROM audience_segments_there AS s
WHERE s.workspace = :workspace;

-- name: segments_everywhere
SELECT s.id, s.workspace, s.origin, s.owner, s.object_id, s.upload_id, s.job_id, s.version, s.forward, s.frozen,
       s.created_ms, s.updated_ms, s.crc, CAST(s.record AS BLOB)
FROM audience_segments_there AS s
WHERE s.id < :below
ORDER BY s.id DESC
LIMIT :limit;

-- name: segments_count_everywhere
SELECT COUNT(*) FROM audience_segments_there WHERE id > 0;

-- name: segments_of
SELECT s.id, s.workspace, s.origin, s.owner, s.object_id, s.upload_id, s.job_id, s.version, s.forward, s.frozen,
       s.created_ms, s.updated_ms, s.crc, CAST(s.record AS BLOB)
FROM audience_segments_there AS s
WHERE s.upload_id = :upload_id AND s.origin = :origin AND s.workspace = :workspace AND s.id < :below
ORDER BY s.id DESC
LIMIT :limit;

-- name: segments_count_of
SELECT COUNT(*) FROM audience_segments_there AS s
WHERE s.upload_id = :upload_id AND s.origin = :origin AND s.workspace = :workspace;

-- name: whole_record
-- All of them by their number, for checks and exports (store/whole.py: Whole); without a limit: the reader stops by
-- itself. The casts are for what a flipped bit makes of a text.
SELECT r.id, CAST(r.workspace AS BLOB), CAST(r.origin AS BLOB), CAST(r.owner AS BLOB), CAST(r.object_id AS BLOB), r.version,
       CASE r.origin WHEN '' THEN r.id ELSE 0 END,
       (SELECT CAST(u.public_id AS BLOB) FROM audience_uploads AS u WHERE u.id = r.upload), r.updated_ms,
       CAST(r.result AS BLOB), CAST(r.record AS BLOB), r.crc, 0
FROM audience_records AS r WHERE r.id > :after ORDER BY r.id;

-- name: whole_segment
-- All of them by their number, for checks and exports (store/whole.py: Whole); without a limit: the reader stops by
-- itself. The casts are for what a flipped bit makes of a text.
SELECT id, CAST(workspace AS BLOB), CAST(origin AS BLOB), CAST(owner AS BLOB), CAST(object_id AS BLOB), version, 0,
       CAST(upload_id AS BLOB), updated_ms, CAST(result AS BLOB), CAST(record AS BLOB), crc, 0
FROM audience_segments WHERE id > :after ORDER BY id;

-- name: export_upload
SELECT id, workspace,
       json_object('id', public_id, 'workspace', workspace, 'origin', origin, 'owner', owner, 'name', name,
                   'fields', json(fields), 'stored', stored, 'created_ms', created_ms)
FROM audience_uploads WHERE id > :after1 ORDER BY id LIMIT 500;
