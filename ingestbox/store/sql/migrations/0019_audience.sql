-- Audience: uploads, their records with what was found out about each, and segments. Times are Unix milliseconds.

-- What a batch was as a whole: the name and the fields it came with. One of this box is there with its job, whose
-- public id it has, and goes when it is deleted; one of another box (`origin`) is there with the first record that
-- comes from it, and goes with the last. `fields` is a JSON list, of another box's an empty one; `stored` counts the
-- records of these alone.
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
    email_valid INTEGER NOT NULL,
    domain TEXT,
    free_mail INTEGER NOT NULL,
    disposable INTEGER NOT NULL,
    completeness REAL NOT NULL,
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

-- Objects of any family that were the first of several, and are so no more: their duplicates, up to the record `after`
-- already, are to be processed again (store/distinct.py).
CREATE TABLE departed (
    family TEXT NOT NULL,
    kind TEXT NOT NULL,
    workspace TEXT NOT NULL,
    owner TEXT NOT NULL,
    object_id TEXT NOT NULL,
    after INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (family, kind, workspace, owner, object_id)
) WITHOUT ROWID;

CREATE TRIGGER audience_records_departed AFTER DELETE ON audience_records
WHEN OLD.origin = '' AND OLD.duplicate_of IS NULL
BEGIN
    INSERT OR REPLACE INTO departed (family, kind, workspace, owner, object_id)
    SELECT 'audience', 'record', OLD.workspace, OLD.owner, OLD.object_id
    WHERE EXISTS (SELECT 1 FROM audience_records
                  WHERE workspace = OLD.workspace AND owner = OLD.owner AND duplicate_of = OLD.object_id
                    AND origin = '');
END;

CREATE TRIGGER audience_records_changed AFTER UPDATE OF match, duplicate_of ON audience_records
WHEN OLD.origin = '' AND OLD.duplicate_of IS NULL AND (NEW.match <> OLD.match OR NEW.duplicate_of IS NOT NULL)
BEGIN
    INSERT OR REPLACE INTO departed (family, kind, workspace, owner, object_id)
    SELECT 'audience', 'record', OLD.workspace, OLD.owner, OLD.object_id
    WHERE EXISTS (SELECT 1 FROM audience_records
                  WHERE workspace = OLD.workspace AND owner = OLD.owner AND duplicate_of = OLD.object_id
                    AND origin = '');
END;

CREATE TRIGGER audience_records_heard AFTER INSERT ON audience_records WHEN NEW.origin <> ''
BEGIN
    UPDATE audience_uploads SET stored = stored + 1 WHERE id = NEW.upload;
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
       email_valid, domain, free_mail, disposable, completeness, updated_ms, result, record, crc, '' AS lineage
FROM audience_records;

CREATE TRIGGER audience_put INSTEAD OF INSERT ON audience_puts
BEGIN
    INSERT INTO audience_uploads (workspace, origin, owner, public_id, job_id, name, fields, created_ms)
    SELECT NEW.workspace, NEW.origin, NEW.owner, NEW.upload_id, 0,
           CASE WHEN json_valid(NEW.lineage) AND json_type(NEW.lineage, '$.file') = 'text' THEN NEW.lineage ->> '$.file'
                ELSE NEW.upload_id END,
           '[]', NEW.updated_ms
    WHERE NEW.origin <> ''
      AND NOT EXISTS (SELECT 1 FROM audience_uploads
                      WHERE public_id = NEW.upload_id AND origin = NEW.origin AND workspace = NEW.workspace);

    INSERT INTO audience_records (id, upload, place, workspace, origin, owner, object_id, version, match, duplicate_of,
                                  email, email_valid, domain, free_mail, disposable, completeness, updated_ms, result,
                                  record, crc)
    SELECT CASE WHEN NEW.origin = '' THEN NEW.record_id
                ELSE COALESCE((SELECT MAX(r.id) FROM audience_records AS r WHERE r.id >= 1 << 56), 1 << 56) + 1 END,
           u.id, CAST(SUBSTR(NEW.object_id, INSTR(NEW.object_id, '/') + 1) AS INTEGER), NEW.workspace, NEW.origin,
           NEW.owner, NEW.object_id, NEW.version, NEW.match, NEW.duplicate_of, NEW.email, NEW.email_valid, NEW.domain,
           NEW.free_mail, NEW.disposable, NEW.completeness, NEW.updated_ms, NEW.result, NEW.record, NEW.crc
    FROM audience_uploads AS u
    WHERE u.public_id = NEW.upload_id AND u.origin = NEW.origin AND u.workspace = NEW.workspace
    ON CONFLICT (object_id, origin, workspace) DO UPDATE
    SET owner = excluded.owner, version = excluded.version, match = excluded.match,
        duplicate_of = excluded.duplicate_of, email = excluded.email, email_valid = excluded.email_valid,
        domain = excluded.domain, free_mail = excluded.free_mail, disposable = excluded.disposable,
        completeness = excluded.completeness, updated_ms = excluded.updated_ms, result = excluded.result,
        record = excluded.record, crc = excluded.crc;
END;
