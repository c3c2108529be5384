-- name: put_contact
-- The object's version was decided before (objects.put). `job` is the import's id, 0 from another box. All that it is
-- found by follows (see the trigger of `contact_puts`).
INSERT INTO contact_puts (workspace, origin, owner, object_id, version, record_id, import_id, email, email_key,
                          first_name, last_name, company, company_key, created_ms, crc, title, body)
VALUES (:workspace, :origin, :owner, :object_id, :version, :record_id, :job, :email, :email_key, :first_name,
        :last_name, :company, :company_key, :at_ms, :contact_crc, :title, :body);

-- name: remove_contact
-- What is removed is gone; its tombstone is in `objects`.
DELETE FROM contacts WHERE workspace = :workspace AND origin = :origin AND object_id = :object_id;

-- name: existing_contact
-- Both indexes are walked in the order of their keys.
SELECT k.record_id, k.key, c.object_id
FROM staged_keys AS k
CROSS JOIN contacts AS c
  ON c.workspace = :workspace AND c.owner = :owner AND c.email_key = k.key AND c.origin = ''
WHERE k.job_id = :job_id AND k.key > :after AND k.key <= :upto AND c.record_id <> k.record_id
ORDER BY k.key, k.record_id;

-- name: taken_contact
-- `keys` is a JSON list.
SELECT c.email_key, c.object_id
FROM json_each(:keys) AS given
CROSS JOIN contacts AS c
  ON c.workspace = :workspace AND c.owner = :owner AND c.email_key = given.value AND c.origin = '';

-- name: job
-- Workspace and owner, then as the lists below.
SELECT s.workspace, s.owner,
       j.id, j.submitted_ms, j.created_by, j.name, f.stored, j.state, s.phase, j.total, COALESCE(f.loaded, j.total),
       s.open_issues, j.started_ms, j.completed_ms, j.error, s.undone_ms
FROM staged_jobs AS s CROSS JOIN jobs AS j ON j.id = s.job_id LEFT JOIN files AS f ON f.job_id = s.job_id
WHERE s.job_id = :job_id AND s.family = 'contacts' AND s.phase <> 'cancelled';

-- name: jobs_mine
-- Newest first; cancelled ones are gone.
SELECT j.id, j.submitted_ms, j.created_by, j.name, f.stored, j.state, s.phase, j.total, COALESCE(f.loaded, j.total),
       s.open_issues, j.started_ms, j.completed_ms, j.error, s.undone_ms
FROM staged_jobs AS s CROSS JOIN jobs AS j ON j.id = s.job_id LEFT JOIN files AS f ON f.job_id = s.job_id
WHERE s.workspace = :workspace AND s.family = 'contacts' AND s.owner = :owner AND s.phase <> 'cancelled'
  AND s.job_id < :below
ORDER BY s.job_id DESC
LIMIT :limit;

-- name: jobs_here
SELECT j.id, j.submitted_ms, j.created_by, j.name, f.stored, j.state, s.phase, j.total, COALESCE(f.loaded, j.total),
       s.open_issues, j.started_ms, j.completed_ms, j.error, s.undone_ms
FROM staged_jobs AS s CROSS JOIN jobs AS j ON j.id = s.job_id LEFT JOIN files AS f ON f.job_id = s.job_id
WHERE s.workspace = :workspace AND s.family = 'contacts' AND s.phase <> 'cancelled' AND s.job_id < :below
ORDER BY s.job_id DESC
LIMIT :limit;

-- name: jobs_everywhere
SELECT j.id, j.submitted_ms, j.created_by, j.name, f.stored, j.state, s.phase, j.total, COALESCE(f.loaded, j.total),
       s.open_issues, j.started_ms, j.completed_ms, j.error, s.undone_ms
FROM staged_jobs AS s CROSS JOIN jobs AS j ON j.id = s.job_id LEFT JOIN files AS f ON f.job_id = s.job_id
WHERE s.family = 'contacts' AND s.phase <> 'cancelled' AND s.job_id < :below
ORDER BY s.job_id DESC
LIMIT :limit;

-- name: jobs_total_mine
SELECT COUNT(*) FROM staged_jobs
WHERE workspace = :workspace AND family = 'contacts' AND owner = :owner AND phase <> 'cancelled';

-- name: jobs_total_here
SELECT COUNT(*) FROM staged_jobs WHERE workspace = :workspace AND family = 'contacts' AND phase <> 'cancelled';

-- name: jobs_total_everywhere
SELECT COUNT(*) FROM staged_jobs INDEXED BY staged_of_workspace WHERE family = 'contacts' AND phase <> 'cancelled';

-- name: issue_jobs_mine
-- Jobs with issues: how many, how many are open, and the newest one's id (null: none is below). All have a key; what
-- an upstream refused has none.
SELECT s.job_id, s.issues_seen, s.open_issues,
       (SELECT MAX(i.id) FROM issues AS i INDEXED BY issues_keyed
        WHERE i.job_id = s.job_id AND i.id < :below AND i.key IS NOT NULL)
FROM staged_jobs AS s
WHERE s.workspace = :workspace AND s.family = 'contacts' AND s.owner = :owner AND s.phase <> 'cancelled'
  AND s.issues_seen > 0;

-- name: issue_jobs_here
SELECT s.job_id, s.issues_seen, s.open_issues,
       (SELECT MAX(i.id) FROM issues AS i INDEXED BY issues_keyed
        WHERE i.job_id = s.job_id AND i.id < :below AND i.key IS NOT NULL)
FROM staged_jobs AS s
WHERE s.workspace = :workspace AND s.family = 'contacts' AND s.phase <> 'cancelled' AND s.issues_seen > 0;

-- name: issue_jobs_everywhere
SELECT s.job_id, s.issues_seen, s.open_issues,
       (SELECT MAX(i.id) FROM issues AS i INDEXED BY issues_keyed
        WHERE i.job_id = s.job_id AND i.id < :below AND i.key IS NOT NULL)
FROM staged_jobs AS s INDEXED BY staged_of_workspace
WHERE s.family = 'contacts' AND s.phase <> 'cancelled' AND s.issues_seen > 0;

-- name: issue_jobs_one
SELECT s.job_id, s.issues_seen, s.open_issues,
       (SELECT MAX(i.id) FROM issues AS i INDEXED BY issues_keyed
        WHERE i.job_id = s.job_id AND i.id < :below AND i.key IS NOT NULL)
FROM staged_jobs AS s
WHERE s.job_id = :job_id;

-- name: issue_ids
SELECT id FROM issues INDEXED BY issues_keyed
WHERE job_id = :job_id AND id < :below AND key IS NOT NULL
ORDER BY id DESC
LIMIT :limit;

-- name: stored_file
SELECT stored FROM files WHERE job_id = :job_id;

-- name: issue_place
-- Whose an issue is, and of which job.
SELECT s.workspace, s.owner, s.job_id FROM issues AS i CROSS JOIN staged_jobs AS s ON s.job_id = i.job_id
WHERE i.id = :id AND i.lane IS NULL AND s.family = 'contacts' AND s.phase <> 'cancelled';

-- name: issues
-- Of a JSON list of ids, in its order. A row that was put right and failed no more belongs to what its issue was
-- before, not to what it is: those of the newest run do, whose number and count come last. Materialized, or else the
-- newest run would be looked for anew with each row.
WITH found AS MATERIALIZED (
    SELECT given.key AS place, given.value AS id,
           (SELECT MAX(l.run) FROM issue_records AS l WHERE l.issue_id = given.value) AS run
    FROM json_each(:ids) AS given
)
SELECT i.id, i.job_id, i.code, i.message, i.resolved_ms, i.resolved_by, i.comment, i.created_ms, i.revision,
       j.submitted_ms, found.run,
       (SELECT COUNT(*) FROM issue_records AS l WHERE l.issue_id = i.id AND l.run = found.run)
FROM found
CROSS JOIN issues AS i ON i.id = found.id
CROSS JOIN jobs AS j ON j.id = i.job_id
ORDER BY found.place;

-- name: issue_rows
-- The casts as in records.pending: of damaged bytes too something has to be told.
SELECT r.id, CAST(r.key AS BLOB), r.state, CAST(r.payload AS BLOB), r.crc
FROM issue_records AS l CROSS JOIN records AS r ON r.id = l.record_id
WHERE l.issue_id = :issue_id AND l.run = :run
ORDER BY l.record_id
LIMIT :limit;

-- name: hiding
-- Imports whose contacts nobody sees: they are not all there yet, or not all gone.
SELECT job_id, workspace, owner, phase FROM staged_jobs
WHERE family = 'contacts' AND phase IN ('consolidating', 'undoing');

-- name: import_from
-- The next contact of an import from an id on, and whether the import made it (or updated an older one).
SELECT id, object_id = CAST(record_id AS TEXT) FROM contacts
WHERE import_id = :job_id AND import_id > 0 AND id >= :least
ORDER BY id
LIMIT 1;

-- name: import_last
SELECT MAX(id) FROM contacts WHERE import_id = :job_id AND import_id > 0;

-- name: import_size
SELECT COUNT(*) FROM contacts WHERE import_id = :job_id AND import_id > 0 AND id >= :least;

-- name: owned_between
SELECT COUNT(*) FROM contacts
WHERE workspace = :workspace AND owner = :owner AND origin = '' AND id >= :first AND id <= :last;

-- name: owners_mine
-- Whose contacts there are, how many of each (hidden ones too), and the newest one's id.
SELECT t.workspace, t.remote, t.owner, t.contacts,
       (SELECT MAX(c.id) FROM contacts AS c
        WHERE c.workspace = t.workspace AND c.owner = t.owner AND c.origin = '')
FROM contact_tallies AS t
WHERE t.workspace = :workspace AND t.remote = 0 AND t.owner = :owner AND t.contacts > 0;

-- name: held
-- How many contacts one person has (hidden ones too), by kind: for the overview.
SELECT 'contact', contacts FROM contact_tallies WHERE workspace = :workspace AND remote = 0 AND owner = :owner;

-- name: owners_here
SELECT t.workspace, t.remote, t.owner, t.contacts,
       (SELECT MAX(c.id) FROM contacts AS c
        WHERE c.workspace = t.workspace AND c.owner = t.owner AND c.origin = '')
FROM contact_tallies AS t
WHERE t.workspace = :workspace AND t.contacts > 0;

-- name: owners_everywhere
SELECT workspace, remote, owner, contacts,
       (SELECT MAX(c.id) FROM contacts AS c
        WHERE c.workspace = contact_tallies.workspace AND c.owner = contact_tallies.owner AND c.origin = '')
FROM contact_tallies
WHERE contacts > 0;

-- name: newest_elsewhere
SELECT MAX(id) FROM contacts WHERE workspace = :workspace AND origin <> '';

-- name: owned
-- Of one owner, newest first.
SELECT c.id, c.record_id, c.origin, c.import_id, CAST(c.owner AS BLOB), CAST(c.email AS BLOB),
       CAST(c.first_name AS BLOB), CAST(c.last_name AS BLOB), CAST(c.company AS BLOB), c.created_ms, c.crc
FROM contacts_seen AS c
WHERE c.workspace = :workspace AND c.owner = :owner AND c.origin = '' AND c.id > :above AND c.id < :below
ORDER BY c.id DESC
LIMIT :limit;

-- name: elsewhere
-- Of other boxes.
SELECT c.id, c.record_id, c.origin, c.import_id, CAST(c.owner AS BLOB), CAST(c.email AS BLOB),
       CAST(c.first_name AS BLOB), CAST(c.last_name AS BLOB), CAST(c.company AS BLOB), c.created_ms, c.crc
FROM contacts AS c
WHERE c.workspace = :workspace AND c.origin <> '' AND c.id > :above AND c.id < :below
ORDER BY c.id DESC
LIMIT :limit;

-- name: with_email_mine
SELECT c.id, c.record_id, c.origin, c.import_id, CAST(c.owner AS BLOB), CAST(c.email AS BLOB),
       CAST(c.first_name AS BLOB), CAST(c.last_name AS BLOB), CAST(c.company AS BLOB), c.created_ms, c.crc
FROM contacts_seen AS c
WHERE c.workspace = :workspace AND c.owner = :owner AND c.email_key = :key AND c.origin = '';

-- name: with_email_here
-- Each owner has an address once; other boxes may send it several times.
SELECT c.id, c.record_id, c.origin, c.import_id, CAST(c.owner AS BLOB), CAST(c.email AS BLOB),
       CAST(c.first_name AS BLOB), CAST(c.last_name AS BLOB), CAST(c.company AS BLOB), c.created_ms, c.crc
FROM contact_tallies AS t
CROSS JOIN contacts_seen AS c
  ON c.workspace = t.workspace AND c.owner = t.owner AND c.email_key = :key AND c.origin = ''
WHERE t.workspace = :workspace AND t.remote = 0
UNION ALL
SELECT c.id, c.record_id, c.origin, c.import_id, CAST(c.owner AS BLOB), CAST(c.email AS BLOB),
       CAST(c.first_name AS BLOB), CAST(c.last_name AS BLOB), CAST(c.company AS BLOB), c.created_ms, c.crc
FROM contacts AS c
WHERE c.email_key = :key AND c.workspace = :workspace AND c.origin <> '';

-- name: with_email_everywhere
SELECT c.id, c.record_id, c.origin, c.import_id, CAST(c.owner AS BLOB), CAST(c.email AS BLOB),
       CAST(c.first_name AS BLOB), CAST(c.last_name AS BLOB), CAST(c.company AS BLOB), c.created_ms, c.crc
FROM contact_tallies
CROSS JOIN contacts_seen AS c
  ON c.workspace = contact_tallies.workspace AND c.owner = contact_tallies.owner AND c.email_key = :key
 AND c.origin = ''
WHERE contact_tallies.remote = 0
UNION ALL
SELECT c.id, c.record_id, c.origin, c.import_id, CAST(c.owner AS BLOB), CAST(c.email AS BLOB),
       CAST(c.first_name AS BLOB), CAST(c.last_name AS BLOB), CAST(c.company AS BLOB), c.created_ms, c.crc
FROM contacts AS c
WHERE c.email_key = :key AND c.origin <> '';

-- name: taken_back
-- Which of these imports (a JSON list).
SELECT s.job_id FROM json_each(:jobs) AS given CROSS JOIN staged_jobs AS s ON s.job_id = given.value
WHERE s.phase = 'undoing' OR s.phase = 'undone';

-- name: export_form
-- How the job's file was read, and what its columns became.
SELECT form, plan, name FROM files AS f CROSS JOIN jobs AS j ON j.id = f.job_id WHERE f.job_id = :job_id;

-- name: export_rows
-- A stretch of a job's rows; without a limit: the reader stops when it has enough.
SELECT id, CAST(key AS BLOB), state, CAST(payload AS BLOB), crc FROM records
WHERE id > :after AND id <= :upto AND (state = 'issue' OR :all)
ORDER BY id;

-- name: export_faults
-- What is open of rows from one to another: with what they failed the last time they failed.
SELECT l.record_id, i.code, i.message
FROM issue_records AS l CROSS JOIN issues AS i ON i.id = l.issue_id
WHERE l.record_id >= :first AND l.record_id <= :last AND i.resolved_ms IS NULL
  AND NOT EXISTS (SELECT 1 FROM issue_records AS other WHERE other.record_id = l.record_id AND other.run > l.run)
ORDER BY l.record_id, i.id;

-- name: mappings
-- All of a person's, which are few.
SELECT signature, mapping FROM contact_mappings WHERE workspace = :workspace AND owner = :owner;

-- name: remember_mapping
INSERT INTO contact_mappings (workspace, owner, signature, mapping, used_ms)
VALUES (:workspace, :owner, :signature, :mapping, :now)
ON CONFLICT (workspace, owner, signature) DO UPDATE
SET mapping = excluded.mapping, used_ms = max(used_ms, excluded.used_ms);

-- name: forget_mappings
-- All but those that were used last.
DELETE FROM contact_mappings
WHERE workspace = :workspace AND owner = :owner AND signature IN (
    SELECT signature FROM contact_mappings WHERE workspace = :workspace AND owner = :owner
    ORDER BY used_ms DESC, signature LIMIT -1 OFFSET :most
);

-- name: erasable_contact
-- What an erasure looks through (store/erasing/objects.py: Stored); without a limit: the reader stops by itself.
SELECT id, workspace, origin, object_id, version, record_id, updated_ms,
       CAST(json_object('email', email, 'first_name', first_name, 'last_name', last_name, 'company', company)
            AS BLOB),
       NULL, NULL, email_key, owner, '', import_id
FROM contacts
WHERE id > :after AND id < :below
ORDER BY id;

-- name: number_contact
SELECT id FROM contacts WHERE workspace = :workspace AND object_id = :object_id AND origin = '';

-- name: match
-- Full text, the newest contacts first; for `match` see store/search.py. `since` is when they were made, or 0.
SELECT rowid FROM contact_words
WHERE contact_words MATCH :match AND rowid > :low AND rowid < :high
  AND (:since = 0 OR EXISTS (SELECT 1 FROM contacts AS c WHERE c.id = contact_words.rowid AND c.created_ms >= :since))
ORDER BY rowid DESC
LIMIT :limit;

-- name: match_count
-- Up to `limit`.
SELECT COUNT(*) FROM (
    SELECT 1 FROM contact_words
    WHERE contact_words MATCH :match AND rowid > :low AND rowid < :high
      AND (:since = 0 OR EXISTS (SELECT 1 FROM contacts AS c
                                 WHERE c.id = contact_words.rowid AND c.created_ms >= :since))
    LIMIT :limit);

-- name: terms
-- The words from `low` to below `high`, as in feedback.
WITH RECURSIVE found (term) AS (
    SELECT (SELECT term FROM contact_terms WHERE term >= :low AND term < :high LIMIT 1)
    UNION ALL
    SELECT (SELECT t.term FROM contact_terms AS t WHERE t.term >= found.term || ' ' AND t.term < :high LIMIT 1)
    FROM found WHERE found.term IS NOT NULL
)
SELECT term FROM found WHERE term IS NOT NULL LIMIT :limit;

-- name: found
-- Contacts by their ids (a JSON list), in its order.
SELECT c.id, c.record_id, c.origin, c.import_id, CAST(c.owner AS BLOB), CAST(c.email AS BLOB),
       CAST(c.first_name AS BLOB), CAST(c.last_name AS BLOB), CAST(c.company AS BLOB), c.created_ms, c.crc
FROM json_each(:ids) AS found CROSS JOIN contacts AS c ON c.id = found.value
ORDER BY found.key;

-- name: one
-- A contact that is shown, its workspace, and when it was last made.
SELECT c.id, c.record_id, c.origin, c.import_id, CAST(c.owner AS BLOB), CAST(c.email AS BLOB),
       CAST(c.first_name AS BLOB), CAST(c.last_name AS BLOB), CAST(c.company AS BLOB), c.created_ms, c.crc,
       c.workspace, c.owner, c.updated_ms, c.object_id
FROM contacts_seen AS c
WHERE c.id = :id;

-- name: bounds
-- Above which id everything lies that was made since a day, and below which all contacts do.
SELECT COALESCE((SELECT MIN(first_id) FROM contact_days WHERE day >= :day), (SELECT MAX(id) FROM contacts), 0) - 1,
       COALESCE((SELECT MAX(id) FROM contacts), 0) + 1;

-- name: scope_number
-- The number of an owner, or of a workspace without one.
SELECT number FROM contact_owners WHERE workspace = :workspace AND owner = :owner
UNION ALL
SELECT number FROM workspaces WHERE name = :workspace AND :owner IS NULL;

-- name: companies
-- Of which an owner has the most contacts, hidden ones too.
SELECT company_key, contacts FROM contact_companies INDEXED BY contact_companies_top
WHERE workspace = :workspace AND owner = :owner
ORDER BY contacts DESC, company_key
LIMIT :limit;

-- name: not_indexed
-- Whether contacts from before there was full text wait to be put once more.
SELECT EXISTS (SELECT 1 FROM contacts WHERE indexed = 0);

-- name: not_indexed_contact
-- The next of them, with what a put takes (store/reindex.py): a contact's result is encoded from its columns, and its
-- record is not needed.
SELECT workspace, origin, object_id, version, record_id, '', updated_ms,
       CAST(json_object('email', email, 'first_name', first_name, 'last_name', last_name, 'company', company)
            AS BLOB),
       CAST('' AS BLOB), crc, NULL, NULL, owner, import_id, id
FROM contacts
WHERE indexed = 0 AND :bytes > 0
ORDER BY id
LIMIT :limit;

-- name: waits_contact
SELECT 1 FROM contacts
WHERE workspace = :workspace AND object_id = :object_id AND origin = :origin AND version = :version
  AND record_id = :record_id AND indexed = 0;

-- name: give_up_contact
-- It is damaged: nothing is found by its words.
UPDATE contacts SET indexed = -1 WHERE id = :id AND indexed = 0;

-- name: merge_contact
-- As of tickets: words of what was replaced or removed are in the index until then.
INSERT INTO contact_words (contact_words, rank) VALUES ('merge', :pages);

-- name: whole_contact
-- All of them by their number, for checks and exports (store/whole.py: Whole); without a limit: the reader stops by
-- itself. The casts are for what a flipped bit makes of a text.
-- Its checksum is that of its cells as JSON without blanks.
SELECT c.id, CAST(c.workspace AS BLOB), CAST(c.origin AS BLOB), CAST(c.owner AS BLOB), CAST(c.object_id AS BLOB), c.version,
       c.record_id, (SELECT CAST(j.public_id AS BLOB) FROM jobs AS j WHERE j.id = c.import_id), c.updated_ms,
       CAST(json_object('email', c.email, 'first_name', c.first_name, 'last_name', c.last_name, 'company', c.company)
            AS BLOB),
       NULL, c.crc, 1
FROM contacts AS c WHERE c.id > :after ORDER BY c.id;

-- name: export_mapping
-- By their keys, a page (store/exporting.py), as for the exports of other families.
SELECT workspace, owner, signature, workspace,
       json_object('workspace', workspace, 'owner', owner, 'signature', signature, 'mapping', json(mapping),
                   'used_ms', used_ms)
FROM contact_mappings
WHERE (workspace, owner, signature) > (:after1, :after2, :after3)
ORDER BY workspace, owner, signature LIMIT 500;
