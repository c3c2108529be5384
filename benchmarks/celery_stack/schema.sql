-- What a batch becomes: a job, and a row for each record with its sentiment once it is analysed.
CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    status text NOT NULL,
    total integer NOT NULL,
    processed integer NOT NULL DEFAULT 0,
    submitted_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
);

CREATE TABLE records (
    job_id uuid NOT NULL REFERENCES jobs (id),
    position integer NOT NULL,
    record_id text NOT NULL,
    summary text,
    description text,
    sentiment text,
    score double precision,
    fields jsonb,
    PRIMARY KEY (job_id, position)
);
