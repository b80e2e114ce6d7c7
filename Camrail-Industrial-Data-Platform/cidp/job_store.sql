-- State of the jobs, version 1, shared by every process that serves the API. Times are UTC text.

-- Grain: one job. Its log and what it printed are files in the folder that bears its id.
CREATE TABLE IF NOT EXISTS jobs (
    job_id        TEXT PRIMARY KEY,
    kind          TEXT NOT NULL,
    slot          TEXT NOT NULL,
    options       TEXT NOT NULL, -- JSON
    started_by    TEXT NOT NULL, -- id of the key
    on_behalf_of  TEXT,          -- the person, as the key's holder says
    started_at    TEXT NOT NULL,
    state         TEXT NOT NULL DEFAULT 'running'
                  CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled', 'interrupted')),
    cancelled_by  TEXT,          -- id of the key that asked to stop it
    ended_at      TEXT,
    exit_code     INTEGER,
    error         TEXT,
    result        TEXT,          -- JSON, what the program printed
    owner_pid     INTEGER NOT NULL,
    owner_born_s  REAL NOT NULL, -- tells the process from a later one of the same id
    child_pid     INTEGER,
    child_born_s  REAL,
    CHECK ((state = 'running') = (ended_at IS NULL))
);

CREATE UNIQUE INDEX IF NOT EXISTS jobs_one_per_slot ON jobs (slot) WHERE state = 'running';
