"""The hub's SQLite schema, one script a version; the first is applied to an empty file."""

APPLICATION_ID = 0x4E415031  # "NAP1"

MIGRATIONS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
    INSERT INTO meta VALUES ('version', 0);

    CREATE TABLE operators (
        operator_id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        secret_hash TEXT NOT NULL,
        consents TEXT NOT NULL,
        wants TEXT NOT NULL,
        enabled INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        published_version INTEGER NOT NULL DEFAULT 0,
        generation INTEGER NOT NULL DEFAULT 0,   -- of its last full list
        endpoint_url TEXT,
        linked INTEGER NOT NULL DEFAULT 0,
        link_changed_at TEXT
    ) WITHOUT ROWID;

    CREATE TABLE prefixes (
        prefix_key TEXT PRIMARY KEY,
        operator_id TEXT NOT NULL REFERENCES operators
    ) WITHOUT ROWID;

    CREATE TABLE tokens (
        id_key TEXT PRIMARY KEY,
        id_tag TEXT NOT NULL,
        home TEXT NOT NULL REFERENCES operators,
        status TEXT NOT NULL,
        expiry_date TEXT,
        parent_id_tag TEXT,
        deleted INTEGER NOT NULL,
        listed INTEGER NOT NULL,      -- 0 never on the whitelist, 1 on it, 2 withdrawn from it
        moved INTEGER NOT NULL,       -- it was on the whitelist as another operator's before
        version INTEGER NOT NULL,
        generation INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX tokens_listed ON tokens (version) WHERE listed > 0;
    CREATE INDEX tokens_by_home ON tokens (home, generation);

    CREATE TABLE authorizations (
        visited TEXT NOT NULL,
        message_id TEXT NOT NULL,
        id_key TEXT NOT NULL,
        home TEXT,
        status TEXT NOT NULL,
        decided_by TEXT NOT NULL,
        decided_at TEXT NOT NULL,
        PRIMARY KEY (visited, message_id)
    ) WITHOUT ROWID;
    CREATE INDEX authorizations_by_time ON authorizations (decided_at);

    CREATE TABLE cdrs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        cdr_id TEXT NOT NULL UNIQUE,
        visited TEXT NOT NULL,
        home TEXT NOT NULL,
        body TEXT NOT NULL,           -- as Cdr.wire() writes it
        digest TEXT NOT NULL,
        received_at TEXT NOT NULL,
        authorized INTEGER NOT NULL,
        state TEXT NOT NULL,
        reason TEXT,
        settled_at TEXT,
        told INTEGER NOT NULL DEFAULT 1
    );
    CREATE INDEX cdrs_queued ON cdrs (home, seq) WHERE state = 'Queued';
    CREATE INDEX cdrs_untold ON cdrs (visited, seq) WHERE told = 0;
    """,
    """
    ALTER TABLE cdrs ADD COLUMN credit_reference_id TEXT;   -- of a credit: the cdr_id that it cancels
    CREATE UNIQUE INDEX cdrs_credited ON cdrs (credit_reference_id) WHERE credit_reference_id IS NOT NULL;
    """,
    """
    CREATE TABLE refused_cdrs (
        visited TEXT NOT NULL,
        cdr_id TEXT NOT NULL,
        digest TEXT NOT NULL,
        body TEXT NOT NULL,
        reason TEXT NOT NULL,
        refused_at TEXT NOT NULL,
        PRIMARY KEY (visited, cdr_id, digest)
    ) WITHOUT ROWID;
    CREATE INDEX refused_cdrs_at ON refused_cdrs (refused_at);
    """,
)
