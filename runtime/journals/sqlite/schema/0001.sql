-- Version 1 of a playbill journal. Times are microseconds of UTC since 1970; JSON is text unless its name says zlib.

-- The index of runs: what is known of one without reading its events. Listings are scans of the indexes below, the
-- newest first.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,      -- short, for the tables below; never given to a second run while anything has it
    run_id TEXT NOT NULL UNIQUE,
    pipeline TEXT NOT NULL,
    version TEXT NOT NULL,       -- of the pipeline, as its author calls it
    definition TEXT,             -- the hash in definitions; NULL: none was kept
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,            -- NULL: it has not ended
    wake_at INTEGER,             -- when a run that waits out of memory wants to go on
    last_seq INTEGER NOT NULL,   -- of the last event kept
    parent INTEGER,              -- the id of the run whose node started it
    root INTEGER NOT NULL,       -- the id of the run at the top of its tree: its own, if it has no parent
    origin TEXT,                 -- the run_id of the run of which it is another try
    suspended_reason TEXT,       -- why it was set aside
    suspended_at INTEGER
);
CREATE INDEX runs_by_time ON runs (created_at, id);
CREATE INDEX runs_by_status ON runs (status, created_at, id);
CREATE INDEX runs_by_pipeline ON runs (pipeline, created_at, id);
CREATE INDEX runs_by_pipeline_and_status ON runs (pipeline, status, created_at, id);
CREATE INDEX runs_by_root ON runs (root);
CREATE INDEX runs_by_definition ON runs (definition);
CREATE INDEX runs_by_end ON runs (ended_at) WHERE ended_at IS NOT NULL AND parent IS NULL;
CREATE INDEX runs_by_wake ON runs (wake_at) WHERE wake_at IS NOT NULL;

-- Each definition once, in its stored form, by the SHA-256 of that form's canonical JSON.
CREATE TABLE definitions (
    hash TEXT PRIMARY KEY,
    json TEXT,                   -- NULL: it is large, and stands in zlib
    zlib BLOB
) WITHOUT ROWID;

-- What people find runs by. The run's time stands here, too, so that a listing by an attribute is one scan.
CREATE TABLE attributes (
    name TEXT NOT NULL,
    value TEXT NOT NULL,         -- as JSON, so that 1, 1.0, true and "1" are four
    created_at INTEGER NOT NULL, -- of the run
    run INTEGER NOT NULL,
    PRIMARY KEY (name, value, created_at, run)
) WITHOUT ROWID;
CREATE UNIQUE INDEX attributes_by_run ON attributes (run, name);

-- The facts, never rewritten: an old version is read by the upcasters of the program that reads it.
CREATE TABLE events (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,        -- counts from 1, gapless
    type TEXT NOT NULL,
    version INTEGER NOT NULL,    -- of the form of its data
    at INTEGER NOT NULL,
    node TEXT,
    attempt INTEGER,
    data TEXT NOT NULL,          -- JSON, but for what stands in payloads
    beside INTEGER NOT NULL,     -- how many members of its data stand in payloads
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

-- What is large of an event's data: one member of it each, such as an output.
CREATE TABLE payloads (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    name TEXT NOT NULL,          -- of the member
    zlib BLOB NOT NULL,          -- its JSON
    PRIMARY KEY (run, seq, name)
);

-- The events of playbill's own streams: of breakers and of the loop.
CREATE TABLE own_events (
    stream TEXT NOT NULL,
    seq INTEGER NOT NULL,        -- goes on over restarts
    type TEXT NOT NULL,
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    node TEXT,
    attempt INTEGER,
    data TEXT NOT NULL,
    PRIMARY KEY (stream, seq)
) WITHOUT ROWID;

-- What handlers logged: of each attempt 1,000 lines or 256 KiB.
CREATE TABLE log_lines (
    run INTEGER NOT NULL,
    node TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    level TEXT NOT NULL,
    text TEXT NOT NULL,
    cut INTEGER NOT NULL,        -- 1: something is missing from here on
    PRIMARY KEY (run, node, attempt, number)
) WITHOUT ROWID;

-- Runs that are forgotten, and of which not all is deleted yet.
CREATE TABLE pruned (run INTEGER PRIMARY KEY);

-- What the writer knows of itself: the last group that more than events were kept with, to settle a lost answer; that
-- it has the journal open, unless it has closed it in order; and when the last crashes of writers were found.
CREATE TABLE writer (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
