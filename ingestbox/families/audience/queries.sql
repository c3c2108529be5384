-- name: put_job
-- What is kept of a batch as a whole; its job is made in the same transaction.
INSERT INTO audience_uploads (workspace, origin, owner, public_id, job_id, name, fields, created_ms)
VALUES (:workspace, '', :owner, :public_id, :job_id, :name, :fields, :now);

-- name: put_record
-- The object's version was decided before (objects.put); `job_id` is the upload's id. See the trigger of
-- `audience_puts`.
INSERT INTO audience_puts (workspace, origin, owner, object_id, version, record_id, upload_id, match, duplicate_of,
                           email, email_valid, domain, free_mail, disposable, completeness, updated_ms, result, record,
                           crc, lineage)
VALUES (:workspace, :origin, :owner, :object_id, :version, :record_id, :job_id, :match, :duplicate_of, :email,
        :email_valid, :domain, :free_mail, :disposable, :completeness, :at_ms, :result, :record, :crc,
        CAST(:lineage AS TEXT));

-- name: remove_record
-- Its tombstone is in `objects`.
DELETE FROM audience_records WHERE workspace = :workspace AND origin = :origin AND object_id = :object_id;

-- name: firsts_record
-- `matches` is a JSON list.
SELECT r.match, r.object_id
FROM json_each(:matches) AS given CROSS JOIN audience_records AS r
  ON r.workspace = :workspace AND r.owner = :owner AND r.match = given.value AND r.origin = ''
     AND r.duplicate_of IS NULL;

-- name: followers_record
SELECT id FROM audience_records
WHERE workspace = :workspace AND owner = :owner AND duplicate_of = :object_id AND id > :after AND origin = ''
ORDER BY id
LIMIT :limit;

-- name: upload
-- One of this box, with its job; an upload that is deleted has no row.
SELECT u.public_id, u.name, u.fields, u.created_ms, u.workspace, u.owner, u.job_id, j.total, j.processed, j.issues,
       j.discarded
FROM audience_uploads AS u JOIN jobs AS j ON j.id = u.job_id
WHERE u.public_id = :public_id AND u.origin = '' AND j.state <> 'receiving';

-- name: uploads_mine
-- Newest first.
SELECT u.public_id, u.name, u.fields, u.created_ms, u.workspace, u.owner, u.job_id, j.total, j.processed, j.issues,
       j.discarded
FROM audience_uploads AS u JOIN jobs AS j ON j.id = u.job_id
WHERE u.workspace = :workspace AND u.owner = :owner AND u.origin = '' AND u.id < :below AND j.state <> 'receiving'
ORDER BY u.id DESC
LIMIT :limit;

-- name: records
-- What there is of an upload of this box, in its order, with what was found out about it, once that is known.
SELECT r.id, CAST(r.key AS BLOB), r.state, CAST(r.payload AS BLOB), r.crc, CAST(a.result AS BLOB), a.crc
FROM records AS r LEFT JOIN audience_records AS a ON a.id = r.id
WHERE r.id > :after AND r.id < :beyond AND (r.state = 'pending' OR r.state = 'done')
ORDER BY r.id
LIMIT :limit;
