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

_V2 = """
CREATE TABLE known_charge_point (
    charge_point_id TEXT PRIMARY KEY,
    registration TEXT NOT NULL,   -- RegistrationStatus
    boot TEXT,                    -- its last BootNotification, JSON; NULL: registered, and has not come yet
    booted_at TEXT,
    last_seen_at TEXT,            -- when its link last came up or went
    local_list_version INTEGER NOT NULL DEFAULT 0,
    local_list_change INTEGER NOT NULL DEFAULT 0, -- the change of own_token up to which its list tells
    firmware_status TEXT,         -- the last notification about it, JSON
    diagnostics_status TEXT,
    log_status TEXT,
    secret_hash TEXT              -- argon2; NULL: it needs no password
) WITHOUT ROWID;
INSERT INTO known_charge_point (charge_point_id, registration, boot, booted_at, last_seen_at)
    SELECT charge_point_id, 'Accepted', boot, booted_at, booted_at FROM charge_point;
DROP TABLE charge_point;
ALTER TABLE known_charge_point RENAME TO charge_point;

-- the decision's info stays in id_tag_info; what was answered is ConcurrentTx
ALTER TABLE transactions ADD COLUMN concurrent INTEGER NOT NULL DEFAULT 0;
CREATE INDEX transaction_open ON transactions (id_key) WHERE stopped_at IS NULL;
CREATE INDEX transaction_connector ON transactions (charge_point_id, connector_id);

-- of connector, transaction and values: a repeated message is stored once; NULL in what is older than this
ALTER TABLE meter_value ADD COLUMN digest BLOB;
CREATE UNIQUE INDEX meter_value_once ON meter_value (charge_point_id, measured_at, digest);

CREATE TABLE security_event (
    id INTEGER PRIMARY KEY,
    charge_point_id TEXT NOT NULL,
    type TEXT NOT NULL,
    happened_at TEXT NOT NULL,
    tech_info TEXT NOT NULL,
    received_at TEXT NOT NULL,
    UNIQUE (charge_point_id, happened_at, type, tech_info)
);

CREATE TABLE certificate_request (
    id INTEGER PRIMARY KEY,
    charge_point_id TEXT NOT NULL,
    csr TEXT NOT NULL,            -- PEM
    received_at TEXT NOT NULL,
    UNIQUE (charge_point_id, csr)
);
"""

_V3 = """
CREATE TABLE api_key (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,  -- SHA-256 of the key
    created_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE user_account (
    user_id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    email TEXT COLLATE NOCASE UNIQUE,
    created_at TEXT NOT NULL
);

CREATE TABLE user_token (
    id_key TEXT PRIMARY KEY REFERENCES own_token (id_key),
    user_id INTEGER NOT NULL REFERENCES user_account (user_id)
) WITHOUT ROWID;
CREATE INDEX user_token_user ON user_token (user_id);

-- for lists that are shown page by page
CREATE INDEX transaction_id_key ON transactions (id_key);
CREATE INDEX transaction_stopped ON transactions (stopped_at);
CREATE INDEX cdr_queued ON cdr (queued_at, cdr_id);
CREATE INDEX received_cdr_at ON received_cdr (received_at, cdr_id);
"""

_V4 = """
-- of a credit: the CDR that it cancels, which is cancelled once
ALTER TABLE cdr ADD COLUMN credit_reference_id TEXT;
CREATE UNIQUE INDEX cdr_credited ON cdr (credit_reference_id) WHERE credit_reference_id IS NOT NULL;
ALTER TABLE received_cdr ADD COLUMN credit_reference_id TEXT;
CREATE UNIQUE INDEX received_cdr_credited ON received_cdr (credit_reference_id)
    WHERE credit_reference_id IS NOT NULL;

CREATE TABLE tariff (
    tariff_id TEXT PRIMARY KEY,
    operator_id TEXT,             -- the visited operator's; NULL: for all
    body TEXT NOT NULL            -- JSON
) WITHOUT ROWID;

CREATE TABLE invoice_line (       -- never changed; a CDR that has none waits for a tariff
    cdr_id TEXT PRIMARY KEY REFERENCES received_cdr (cdr_id),
    tariff TEXT NOT NULL,         -- all of it, as it was, JSON
    charges TEXT NOT NULL,        -- JSON
    priced_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE refused_cdr (
    cdr_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    body TEXT NOT NULL,
    sent_by TEXT,                 -- operatorId of the peer; NULL: the hub
    reason TEXT NOT NULL,
    refused_at TEXT NOT NULL,
    PRIMARY KEY (cdr_id, digest)
) WITHOUT ROWID;

CREATE INDEX home_authorization_at ON home_authorization (at);
"""

_V5 = """
-- of a CDR that goes to a peer: the home operator's operatorId; '': it goes to the hub
ALTER TABLE outbox ADD COLUMN destination TEXT NOT NULL DEFAULT '';
UPDATE outbox SET destination = ifnull(
    (SELECT home_operator_id FROM cdr WHERE cdr.cdr_id = outbox.cdr_id AND route = 'peer'), '');
CREATE INDEX outbox_waiting ON outbox (destination) WHERE NOT parked;
"""

MIGRATIONS = (_V1, _V2, _V3, _V4, _V5)


def open_database(path: Path) -> Database:
    """Open the central system's database, creating it if it is not there.

    Raises:
        StoreError: it cannot be used; the text says what to do.
    """
    return Database.open(path, application_id=APPLICATION_ID, migrations=MIGRATIONS)
