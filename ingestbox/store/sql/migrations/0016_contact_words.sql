-- Contacts are found by their text, by their company and by their import. Times are Unix milliseconds.

-- `indexed` is 0 for a contact from before: it is put once more, in the background. `company_key` is what companies are
-- compared by, one word: folded outside SQL ('' until then).
ALTER TABLE contacts ADD COLUMN company_key TEXT NOT NULL DEFAULT '';
ALTER TABLE contacts ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX contacts_not_indexed ON contacts (id) WHERE indexed = 0;

-- Owners by number: a word of full text that stands for all of one owner's contacts.
CREATE TABLE contact_owners (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    owner TEXT NOT NULL,
    UNIQUE (workspace, owner)
);

-- The first contact that was made on each day (UTC, counted from 1970-01-01): what is newer lies above it. A clock that
-- was wrong, or a box that was away, can put older ones there too.
CREATE TABLE contact_days (
    day INTEGER PRIMARY KEY,
    first_id INTEGER NOT NULL
);
INSERT INTO contact_days (day, first_id) SELECT created_ms / 86400000, MIN(id) FROM contacts GROUP BY 1;

CREATE TRIGGER contacts_dated AFTER INSERT ON contacts
BEGIN
    INSERT OR IGNORE INTO contact_days (day, first_id) VALUES (NEW.created_ms / 86400000, NEW.id);
END;

-- Of how many of an owner's contacts each company is, hidden ones too. The triggers keep it exact in every transaction;
-- one that came to 0 goes.
CREATE TABLE contact_companies (
    workspace TEXT NOT NULL,
    owner TEXT NOT NULL,
    company_key TEXT NOT NULL,
    contacts INTEGER NOT NULL,
    PRIMARY KEY (workspace, owner, company_key)
) WITHOUT ROWID;
CREATE INDEX contact_companies_top ON contact_companies (workspace, owner, contacts DESC, company_key);

CREATE TRIGGER contacts_company_in AFTER INSERT ON contacts WHEN NEW.origin = '' AND NEW.company_key <> ''
BEGIN
    INSERT INTO contact_companies (workspace, owner, company_key, contacts)
    VALUES (NEW.workspace, NEW.owner, NEW.company_key, 1)
    ON CONFLICT (workspace, owner, company_key) DO UPDATE SET contacts = contacts + 1;
END;

CREATE TRIGGER contacts_company_out AFTER DELETE ON contacts WHEN OLD.origin = '' AND OLD.company_key <> ''
BEGIN
    UPDATE contact_companies SET contacts = contacts - 1
    WHERE workspace = OLD.workspace AND owner = OLD.owner AND company_key = OLD.company_key;
    DELETE FROM contact_companies
    WHERE workspace = OLD.workspace AND owner = OLD.owner AND company_key = OLD.company_key AND contacts < 1;
END;

CREATE TRIGGER contacts_company_over AFTER UPDATE OF owner, company_key ON contacts
WHEN NEW.origin = '' AND (NEW.owner <> OLD.owner OR NEW.company_key <> OLD.company_key)
BEGIN
    UPDATE contact_companies SET contacts = contacts - 1
    WHERE workspace = OLD.workspace AND owner = OLD.owner AND company_key = OLD.company_key;
    DELETE FROM contact_companies
    WHERE workspace = OLD.workspace AND owner = OLD.owner AND company_key = OLD.company_key AND contacts < 1;
    INSERT INTO contact_companies (workspace, owner, company_key, contacts)
    SELECT NEW.workspace, NEW.owner, NEW.company_key, 1 WHERE NEW.company_key <> ''
    ON CONFLICT (workspace, owner, company_key) DO UPDATE SET contacts = contacts + 1;
END;

-- Full text, as of tickets (0008_tickets.sql): the words of each contact by its id, cut outside SQL. Among those of the
-- title are words that are none: `:x` of every contact, `:w<n>` of a workspace, `:o<n>` of an owner of this box,
-- `:c<key>` of a company, `:i<n>` of the import that it was last made of, and `:m<n>` of the import that made it, if
-- that is the same: that one hides it while it is not at its end.
CREATE VIRTUAL TABLE contact_words USING fts5 (
    title, body, content = '', contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* P* S* Co Cn'"
);
INSERT INTO contact_words (contact_words, rank) VALUES ('pgsz', 1000), ('automerge', 8);

CREATE VIRTUAL TABLE contact_terms USING fts5vocab (contact_words, instance);

CREATE TRIGGER contacts_words_out AFTER DELETE ON contacts
BEGIN
    DELETE FROM contact_words WHERE rowid = OLD.id;
END;

-- What is put for one contact, all that it is found by included.
CREATE VIEW contact_puts AS
SELECT workspace, origin, owner, object_id, version, record_id, import_id, email, email_key, first_name, last_name,
       company, company_key, created_ms, crc, '' AS title, '' AS body
FROM contacts;

CREATE TRIGGER contact_put INSTEAD OF INSERT ON contact_puts
BEGIN
    INSERT INTO workspaces (name) SELECT NEW.workspace
    WHERE NOT EXISTS (SELECT 1 FROM workspaces WHERE name = NEW.workspace);

    INSERT INTO contact_owners (workspace, owner) SELECT NEW.workspace, NEW.owner
    WHERE NEW.origin = '' AND NOT EXISTS (SELECT 1 FROM contact_owners
                                          WHERE workspace = NEW.workspace AND owner = NEW.owner);

    INSERT INTO contacts (workspace, origin, owner, object_id, version, record_id, import_id, email, email_key,
                          first_name, last_name, company, company_key, created_ms, updated_ms, crc, indexed)
    VALUES (NEW.workspace, NEW.origin, NEW.owner, NEW.object_id, NEW.version, NEW.record_id, NEW.import_id, NEW.email,
            NEW.email_key, NEW.first_name, NEW.last_name, NEW.company, NEW.company_key, NEW.created_ms, NEW.created_ms,
            NEW.crc, 1)
    ON CONFLICT (workspace, origin, object_id) DO UPDATE
    SET version = excluded.version, owner = excluded.owner, record_id = excluded.record_id,
        import_id = excluded.import_id, email = excluded.email, email_key = excluded.email_key,
        first_name = excluded.first_name, last_name = excluded.last_name, company = excluded.company,
        company_key = excluded.company_key, updated_ms = excluded.updated_ms, crc = excluded.crc,
        indexed = excluded.indexed;

    INSERT OR REPLACE INTO contact_words (rowid, title, body)
    SELECT c.id,
           NEW.title || ' :x :w' || w.number
           || CASE WHEN NEW.origin = '' THEN ' :o' || (SELECT number FROM contact_owners
                                                       WHERE workspace = NEW.workspace AND owner = NEW.owner)
              ELSE '' END
           || CASE WHEN NEW.import_id > 0 THEN ' :i' || NEW.import_id ELSE '' END
           || CASE WHEN NEW.import_id > 0 AND NEW.object_id = CAST(NEW.record_id AS TEXT)
              THEN ' :m' || NEW.import_id ELSE '' END,
           NEW.body
    FROM contacts AS c CROSS JOIN workspaces AS w
    WHERE c.workspace = NEW.workspace AND c.origin = NEW.origin AND c.object_id = NEW.object_id
      AND w.name = NEW.workspace;
END;
