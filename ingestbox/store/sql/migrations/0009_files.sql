-- Uploaded files: what each is, and how far its rows are in `records`. Times are Unix milliseconds.

-- One row a job that came as a file. `stored` is the file's name in the data folder's `files/`, and `rows_file`
-- that of what its rows are read from: the same, or a copy in UTF-8 that was made of it. `blocks` has the CRC-32 of
-- each block of the latter, four bytes each, big endian.
-- `form` is how it is read (tabular.Format), `plan` what the family made of its header, `position` where the next
-- row begins (tabular.Position), `about` what is told of it: all JSON.
-- `loaded` rows are records; of these `repeated` have an id that a later row has too. With `loaded_ms` no more
-- come: all are there, or `error` says why not. With `removed_ms` the file is not needed any more.
CREATE TABLE files (
    job_id INTEGER PRIMARY KEY,
    stored TEXT NOT NULL UNIQUE,
    rows_file TEXT NOT NULL UNIQUE,
    rows_size INTEGER NOT NULL,
    blocks BLOB NOT NULL,
    sha256 TEXT NOT NULL,
    form TEXT NOT NULL,
    plan TEXT NOT NULL,
    position TEXT NOT NULL,
    about TEXT NOT NULL,
    total INTEGER NOT NULL,
    loaded INTEGER NOT NULL DEFAULT 0,
    repeated INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    created_ms INTEGER NOT NULL,
    loaded_ms INTEGER,
    removed_ms INTEGER
);
CREATE INDEX files_kept ON files (loaded_ms) WHERE removed_ms IS NULL AND loaded_ms IS NOT NULL;
