-- Contacts. Times are Unix milliseconds.

-- `owner` is whom a contact belongs to; `email_key` the address as it is compared: folded outside SQL. `origin` is ''
-- for this box's own, else the box it came from. `object_id` is what it is called upstream: the id of the record that
-- made it. `record_id` is the row it was last made of, `import_id` that row's job (0 from elsewhere). `crc` is the
-- CRC-32 of its result, which is encoded from the columns.
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    origin TEXT NOT NULL,
    owner TEXT NOT NULL,
    object_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    import_id INTEGER NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    company TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    crc INTEGER NOT NULL
);
CREATE UNIQUE INDEX contacts_by_object ON contacts (workspace, origin, object_id);
-- Of two jobs that race on one address this decides.
CREATE UNIQUE INDEX contacts_by_email ON contacts (workspace, owner, email_key) WHERE origin = '';
CREATE INDEX contacts_by_import ON contacts (import_id, id) WHERE import_id > 0;
CREATE INDEX contacts_of_owner ON contacts (workspace, owner, id) WHERE origin = '';
-- Those of other boxes, which may have the same address several times.
CREATE INDEX contacts_elsewhere ON contacts (workspace, id) WHERE origin <> '';
CREATE INDEX contacts_elsewhere_by_email ON contacts (email_key, workspace) WHERE origin <> '';

-- Those that are shown. What an import makes that is not at its end, or is being taken back, is hidden; what it only
-- updates is not.
CREATE VIEW contacts_seen AS
SELECT c.*
FROM contacts AS c
WHERE NOT (
    EXISTS (
        SELECT 1 FROM staged_jobs AS s
        WHERE s.job_id = c.import_id AND s.phase IN ('consolidating', 'undoing')
    )
    AND c.object_id = CAST(c.record_id AS TEXT)
);

-- How many contacts each owner has, of this box and (`remote`) of others: all that there are, hidden ones too. The
-- triggers keep it exact in every transaction; a row that came to 0 stays.
CREATE TABLE contact_tallies (
    workspace TEXT NOT NULL,
    remote INTEGER NOT NULL,
    owner TEXT NOT NULL,
    contacts INTEGER NOT NULL,
    PRIMARY KEY (workspace, remote, owner)
) WITHOUT ROWID;

CREATE TRIGGER contacts_tallied_in AFTER INSERT ON contacts
BEGIN
    INSERT INTO contact_tallies (workspace, remote, owner, contacts)
    VALUES (NEW.workspace, NEW.origin <> '', NEW.owner, 1)
    ON CONFLICT (workspace, remote, owner) DO UPDATE SET contacts = contacts + 1;
END;

CREATE TRIGGER contacts_tallied_out AFTER DELETE ON contacts
BEGIN
    UPDATE contact_tallies SET contacts = contacts - 1
    WHERE workspace = OLD.workspace AND remote = (OLD.origin <> '') AND owner = OLD.owner;
END;

CREATE TRIGGER contacts_tallied_over AFTER UPDATE OF owner ON contacts WHEN NEW.owner <> OLD.owner
BEGIN
    UPDATE contact_tallies SET contacts = contacts - 1
    WHERE workspace = OLD.workspace AND remote = (OLD.origin <> '') AND owner = OLD.owner;
    INSERT INTO contact_tallies (workspace, remote, owner, contacts)
    VALUES (NEW.workspace, NEW.origin <> '', NEW.owner, 1)
    ON CONFLICT (workspace, remote, owner) DO UPDATE SET contacts = contacts + 1;
END;

-- How a person had the columns of a file mapped, by the file's header: offered again for the same header.
CREATE TABLE contact_mappings (
    workspace TEXT NOT NULL,
    owner TEXT NOT NULL,
    signature TEXT NOT NULL,
    mapping TEXT NOT NULL,
    used_ms INTEGER NOT NULL,
    PRIMARY KEY (workspace, owner, signature)
) WITHOUT ROWID;
