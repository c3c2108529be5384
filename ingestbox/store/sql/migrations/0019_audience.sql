-- Audience: uploads, their records with what was found out about each, and segments. Times are Unix milliseconds.

-- What a batch was as a whole: the name and the fields it came with. One of this box is there with its job, whose
-- public id it has, and goes when it is deleted; one of another box (`origin`) is there with the first record that
-- comes from it, and goes with the last. `fields` is a JSON list, of another box's the names that its records have;
-- `stored` counts the records of these alone.
CREATE TABLE audience_uploads (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    origin TEXT NOT NULL,
    owner TEXT NOT NULL,
    public_id TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    fields TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    stored INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX audience_uploads_by_id ON audience_uploads (public_id, origin, workspace);
CREATE INDEX audience_uploads_of_owner ON audience_uploads (workspace, owner, id) WHERE origin = '';
CREATE INDEX audience_uploads_by_workspace ON audience_uploads (workspace, id);
CREATE UNIQUE INDEX audience_uploads_by_job ON audience_uploads (job_id) WHERE job_id > 0;

-- Intake that never became visible takes it along.
CREATE TRIGGER audience_uploads_out AFTER DELETE ON jobs WHEN OLD.family = 'audience'
BEGIN
    DELETE FROM audience_uploads WHERE job_id = OLD.id AND job_id > 0;
END;

-- Records as they were found to be; what was sent lies in `records`, or for those of other boxes in `record`. `id` is
-- the record's own, of other boxes a number from 2^56 on; `place` its index in the upload. `object_id` is
-- `<upload>/<index>`. `match` is what it is compared by with others of its owner, and `duplicate_of` the object_id of
-- the first that has the same, null of the first. `crc` is the CRC-32 of result and record.
CREATE TABLE audience_records (
    id INTEGER PRIMARY KEY,
    upload INTEGER NOT NULL,
    place INTEGER NOT NULL,
    workspace TEXT NOT NULL,
    origin TEXT NOT NULL,
    owner TEXT NOT NULL,
    object_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    match TEXT NOT NULL,
    duplicate_of TEXT,
    email TEXT,
    updated_ms INTEGER NOT NULL,
    result BLOB NOT NULL,
    record BLOB,
    crc INTEGER NOT NULL
);
CREATE UNIQUE INDEX audience_records_by_object ON audience_records (object_id, origin, workspace);
CREATE UNIQUE INDEX audience_records_elsewhere ON audience_records (upload, place) WHERE origin <> '';
-- Of two records that race on one match this decides.
CREATE UNIQUE INDEX audience_records_first ON audience_records (workspace, owner, match)
    WHERE origin = '' AND duplicate_of IS NULL;
CREATE INDEX audience_records_duplicates ON audience_records (workspace, owner, duplicate_of, id)
    WHERE origin = '' AND duplicate_of IS NOT NULL;

-- Objects of any family that were the first of several, and are so no more: their duplicates, those up to the record
-- `after` already, are to be told what they are duplicates of now (store/departed.py).
CREATE TABLE departed (
    family TEXT NOT NULL,
    kind TEXT NOT NULL,
    workspace TEXT NOT NULL,
    owner TEXT NOT NULL,
    object_id TEXT NOT NULL,
    after INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (family, kind, workspace, owner, object_id)
) WITHOUT ROWID;

-- UPDATE and INSERT, for in a trigger an OR REPLACE is overruled by what the statement says that fires it.
CREATE TRIGGER audience_records_departed AFTER DELETE ON audience_records
WHEN OLD.origin = '' AND OLD.duplicate_of IS NULL
BEGIN
    UPDATE departed SET after = 0
    WHERE family = 'audience' AND kind = 'record' AND workspace = OLD.workspace AND owner = OLD.owner
      AND object_id = OLD.object_id;
    INSERT INTO departed (family, kind, workspace, owner, object_id)
    SELECT 'audience', 'record', OLD.workspace, OLD.owner, OLD.object_id
    WHERE EXISTS (SELECT 1 FROM audience_records
                  WHERE workspace = OLD.workspace AND owner = OLD.owner AND duplicate_of = OLD.object_id
                    AND origin = '')
      AND NOT EXISTS (SELECT 1 FROM departed
                      WHERE family = 'audience' AND kind = 'record' AND workspace = OLD.workspace
                        AND owner = OLD.owner AND object_id = OLD.object_id);
END;

CREATE TRIGGER audience_records_changed AFTER UPDATE OF match, duplicate_of ON audience_records
WHEN OLD.origin = '' AND OLD.duplicate_of IS NULL AND (NEW.match <> OLD.match OR NEW.duplicate_of IS NOT NULL)
BEGIN
    UPDATE departed SET after = 0
    WHERE family = 'audience' AND kind = 'record' AND workspace = OLD.workspace AND owner = OLD.owner
      AND object_id = OLD.object_id;
    INSERT INTO departed (family, kind, workspace, owner, object_id)
    SELECT 'audience', 'record', OLD.workspace, OLD.owner, OLD.object_id
    WHERE EXISTS (SELECT 1 FROM audience_records
                  WHERE workspace = OLD.workspace AND owner = OLD.owner AND duplicate_of = OLD.object_id
                    AND origin = '')
      AND NOT EXISTS (SELECT 1 FROM departed
                      WHERE family = 'audience' AND kind = 'record' AND workspace = OLD.workspace
                        AND owner = OLD.owner AND object_id = OLD.object_id);
END;

CREATE TRIGGER audience_records_gone AFTER DELETE ON audience_records WHEN OLD.origin <> ''
BEGIN
    DELETE FROM audience_uploads WHERE id = OLD.upload AND stored = 1;
    UPDATE audience_uploads SET stored = stored - 1 WHERE id = OLD.upload;
END;

-- What is put for one record, its upload included where another box tells of it. `lineage` is JSON, with the upload's
-- name as its file.
CREATE VIEW audience_puts AS
SELECT workspace, origin, owner, object_id, version, id AS record_id, '' AS upload_id, match, duplicate_of, email,
       updated_ms, result, record, crc, '' AS lineage
FROM audience_records;

CREATE TRIGGER audience_put INSTEAD OF INSERT ON audience_puts
BEGIN
    -- Of another box anything may come: only the one spelling of an id of this upload has a place in it.
    SELECT RAISE(ABORT, 'This is no id of a record of the upload.')
    WHERE NEW.origin <> ''
      AND (NEW.upload_id = '' OR INSTR(NEW.upload_id, '/') > 0 OR INSTR(NEW.upload_id, CHAR(0)) > 0
           OR CAST(SUBSTR(NEW.object_id, LENGTH(NEW.upload_id) + 2) AS INTEGER) NOT BETWEEN 0 AND (1 << 24) - 1
           OR NEW.object_id <> NEW.upload_id || '/'
              || CAST(SUBSTR(NEW.object_id, LENGTH(NEW.upload_id) + 2) AS INTEGER));

    -- Its id tells when it was made. CASE, and not AND, keeps what is not JSON from what takes JSON.
    INSERT INTO audience_uploads (workspace, origin, owner, public_id, job_id, name, fields, created_ms)
    SELECT NEW.workspace, NEW.origin, NEW.owner, NEW.upload_id, 0,
           CASE WHEN LENGTH(TRIM(told.file)) > 0 THEN SUBSTR(told.file, 1, 100) ELSE NEW.upload_id END, '[]',
           CASE WHEN NEW.upload_id GLOB 'upl_[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]_*'
                THEN CAST(SUBSTR(NEW.upload_id, 5, 13) AS INTEGER) ELSE NEW.updated_ms END
    FROM (SELECT CASE WHEN json_valid(NEW.lineage)
                      THEN CASE json_type(NEW.lineage, '$.file') WHEN 'text' THEN NEW.lineage ->> '$.file' END
                 END AS file) AS told
    WHERE NEW.origin <> ''
      AND NOT EXISTS (SELECT 1 FROM audience_uploads
                      WHERE public_id = NEW.upload_id AND origin = NEW.origin AND workspace = NEW.workspace);

    -- The names that its records have, in order of first appearance, as long as there are not too many. Most records
    -- have the same ones in the same order, which is seen at once.
    UPDATE audience_uploads
    SET fields = (
        SELECT json_group_array(name) FROM (
            SELECT name FROM (
                SELECT value AS name, key AS n FROM json_each(audience_uploads.fields)
                UNION ALL
                SELECT key, 1000000 + id FROM (
                    SELECT key, id FROM json_each(CAST(NEW.record AS TEXT)) WHERE LENGTH(key) <= 200 LIMIT 256)
            )
            GROUP BY name ORDER BY MIN(n) LIMIT 256
        )
    )
    WHERE NEW.origin <> '' AND public_id = NEW.upload_id AND origin = NEW.origin AND workspace = NEW.workspace
      AND CASE
          WHEN NOT json_valid(CAST(NEW.record AS TEXT)) THEN 0
          WHEN fields = (SELECT json_group_array(key)
                         FROM (SELECT key FROM json_each(CAST(NEW.record AS TEXT)) LIMIT 256)) THEN 0
          WHEN json_array_length(fields) >= 256 THEN 0
          ELSE EXISTS (
              SELECT key
              FROM (SELECT key FROM json_each(CAST(NEW.record AS TEXT)) WHERE LENGTH(key) <= 200 LIMIT 256)
              EXCEPT
              SELECT value FROM json_each(audience_uploads.fields)
          )
          END;

    -- Here and not in a trigger of the table, which would be asked about each record of this box's own too.
    UPDATE audience_uploads SET stored = stored + 1
    WHERE NEW.origin <> '' AND public_id = NEW.upload_id AND origin = NEW.origin AND workspace = NEW.workspace
      AND NOT EXISTS (SELECT 1 FROM audience_records
                      WHERE object_id = NEW.object_id AND origin = NEW.origin AND workspace = NEW.workspace);

    INSERT INTO audience_records (id, upload, place, workspace, origin, owner, object_id, version, match, duplicate_of,
                                  email, updated_ms, result, record, crc)
    SELECT CASE WHEN NEW.origin = '' THEN NEW.record_id
                ELSE COALESCE((SELECT MAX(r.id) FROM audience_records AS r WHERE r.id >= 1 << 56), 1 << 56) + 1 END,
           u.id, CAST(SUBSTR(NEW.object_id, INSTR(NEW.object_id, '/') + 1) AS INTEGER), NEW.workspace, NEW.origin,
           NEW.owner, NEW.object_id, NEW.version, NEW.match, NEW.duplicate_of, NEW.email, NEW.updated_ms, NEW.result,
           NEW.record, NEW.crc
    FROM audience_uploads AS u
    WHERE u.public_id = NEW.upload_id AND u.origin = NEW.origin AND u.workspace = NEW.workspace
    ON CONFLICT (object_id, origin, workspace) DO UPDATE
    SET owner = excluded.owner, version = excluded.version, match = excluded.match,
        duplicate_of = excluded.duplicate_of, email = excluded.email, updated_ms = excluded.updated_ms,
        result = excluded.result, record = excluded.record, crc = excluded.crc;
END;

-- Deletions of jobs that are under way (store/deleting.py): the objects go first, then records become blanks, up to the
-- index `position` already. `actor` is who deleted it.
CREATE TABLE job_deletions (
    job_id INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    actor TEXT NOT NULL
);

-- Segments: named selections of an upload's records. `object_id` is a segment's id, `upload_id` the upload's and
-- `job_id` its job's, 0 of another box's. `record` is JSON and says what it is (its name, the filter, whether it is
-- frozen), `result` what came of it (`count`, and the indexes as `rows` if it is frozen; a rule's own count is not
-- kept). Upstream is told of those with `forward`, by their `version`; one that never was has version 0. `crc` is the
-- CRC-32 of result and record.
CREATE TABLE audience_segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    origin TEXT NOT NULL,
    owner TEXT NOT NULL,
    object_id TEXT NOT NULL,
    upload_id TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    forward INTEGER NOT NULL,
    frozen INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    record BLOB NOT NULL,
    result BLOB NOT NULL
);
CREATE UNIQUE INDEX audience_segments_by_id ON audience_segments (object_id, origin, workspace);
CREATE INDEX audience_segments_of_owner ON audience_segments (workspace, owner, id) WHERE origin = '';
CREATE INDEX audience_segments_by_workspace ON audience_segments (workspace, id);
CREATE INDEX audience_segments_of_upload ON audience_segments (upload_id, origin, workspace, id);
CREATE INDEX audience_segments_by_job ON audience_segments (job_id) WHERE job_id > 0;

-- Those of an upload that is deleted go with it, and are out of sight at once.
CREATE VIEW audience_segments_there AS
SELECT * FROM audience_segments AS s
WHERE s.origin <> '' OR EXISTS (SELECT 1 FROM audience_uploads AS u WHERE u.job_id = s.job_id AND u.job_id > 0);
