"""The central system's SQLite schema: one script a version; a script that was released is never changed.

Moments are text as OCPP writes them, energy is integer Wh, tokens are keyed by `id_key`. The whitelist is
keyed by its epoch too, so that a new list can grow beside the one in use and take its place in one step.
"""

from pathlib import Path

from cascade.database import Database

APPLICATION_ID = 0x43504F31  # "CPO1"

_V1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE own_token (
    id_key TEXT PRIMARY KEY,
    id_tag TEXT NOT NULL,
    status TEXT NOT NULL,
    expiry_date TEXT,
    parent_id_tag TEXT,
    change INTEGER NOT NULL,      -- number of its last change: what is above the published one is a delta
    rejection TEXT                -- why the hub did not take it
) WITHOUT ROWID;
CREATE UNIQUE INDEX own_token_change ON own_token (change);

CREATE TABLE whitelist (
    epoch INTEGER NOT NULL,
    id_key TEXT NOT NULL,
    id_tag TEXT NOT NULL,
    status TEXT NOT NULL,
    expiry_date TEXT,
    parent_id_tag TEXT,
    PRIMARY KEY (epoch, id_key)
) WITHOUT ROWID;

CREATE TABLE charge_point (
    charge_point_id TEXT PRIMARY KEY,
    boot TEXT NOT NULL,           -- its last BootNotification, JSON
    booted_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE connector (
    charge_point_id TEXT NOT NULL,
    connector_id INTEGER NOT NULL,
    status TEXT NOT NULL,
    error_code TEXT NOT NULL,
    notification TEXT NOT NULL,   -- its last StatusNotification, JSON
    reported_at TEXT NOT NULL,
    PRIMARY KEY (charge_point_id, connector_id)
) WITHOUT ROWID;

CREATE TABLE transactions (
    transaction_id INTEGER PRIMARY KEY AUTOINCREMENT,
    cdr_id TEXT NOT NULL UNIQUE,
    charge_point_id TEXT NOT NULL,
    connector_id INTEGER NOT NULL,
    id_tag TEXT NOT NULL,
    id_key TEXT NOT NULL,
    meter_start INTEGER NOT NULL,
    started_at TEXT NOT NULL,
    id_tag_info TEXT NOT NULL,    -- as answered, JSON
    decided_by TEXT NOT NULL,
    reference TEXT,
    home_operator_id TEXT,
    meter_stop INTEGER,
    stopped_at TEXT,
    stop_reason TEXT,
    stop_id_tag TEXT,
    UNIQUE (charge_point_id, connector_id, id_key, started_at, meter_start)
);

CREATE TABLE orphan_stop (        -- a StopTransaction that ends no transaction that we know: kept for a person
    id INTEGER PRIMARY KEY,
    charge_point_id TEXT NOT NULL,
    transaction_id INTEGER NOT NULL,
    stop TEXT NOT NULL,           -- the request, JSON
    reported_at TEXT NOT NULL,
    UNIQUE (charge_point_id, transaction_id, stop)
);

CREATE TABLE meter_value (
    id INTEGER PRIMARY KEY,
    charge_point_id TEXT NOT NULL,
    connector_id INTEGER,
    transaction_id INTEGER,
    measured_at TEXT NOT NULL,
    sampled TEXT NOT NULL         -- sampledValue, JSON
);
CREATE INDEX meter_value_transaction ON meter_value (transaction_id);

CREATE TABLE cdr (                -- those that we send
    cdr_id TEXT PRIMARY KEY,
    body TEXT NOT NULL,           -- as on the wire, never changed
    digest TEXT NOT NULL,
    route TEXT NOT NULL,
    home_operator_id TEXT,
    status TEXT NOT NULL,
    reason TEXT,
    receipt TEXT,
    queued_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    cdr_id TEXT NOT NULL UNIQUE REFERENCES cdr (cdr_id),
    parked INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE received_cdr (       -- those of our drivers' sessions elsewhere
    cdr_id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    digest TEXT NOT NULL,
    sent_by TEXT,                 -- operatorId of the peer; NULL: the hub
    receipt TEXT NOT NULL,
    received_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE home_authorization ( -- what we answered about our own drivers
    id INTEGER PRIMARY KEY,
    id_key TEXT NOT NULL,
    asked_by TEXT,                -- operatorId of the peer; NULL: the hub
    message_id TEXT NOT NULL,
    status TEXT NOT NULL,
    at REAL NOT NULL              -- POSIX time
);
CREATE INDEX home_authorization_id_key ON home_authorization (id_key, at);
"""

MIGRATIONS = (_V1,)


def open_database(path: Path) -> Database:
    """Open the central system's database, creating it if it is not there.

    Raises:
        StoreError: it cannot be used; the text says what to do.
    """
    return Database.open(path, application_id=APPLICATION_ID, migrations=MIGRATIONS)
