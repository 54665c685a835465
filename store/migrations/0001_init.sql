-- +goose Up

-- Times are unix microseconds in UTC, 0 for "not yet". Flags are 0 or 1.
-- doc.go of the package says in words what the tables hold.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE users (
    name       TEXT    NOT NULL PRIMARY KEY,
    email      TEXT    NOT NULL,
    admin      INTEGER NOT NULL,
    may_create INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE keys (
    fingerprint  TEXT    NOT NULL PRIMARY KEY,
    user         TEXT    NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    public       TEXT    NOT NULL,
    comment      TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
) STRICT;
CREATE INDEX keys_of_user ON keys (user);

CREATE TABLE apps (
    name           TEXT    NOT NULL PRIMARY KEY,
    created_at     INTEGER NOT NULL,
    created_by     TEXT    NOT NULL,
    active         TEXT    NOT NULL DEFAULT '' CHECK (active IN ('', 'blue', 'green')),
    live           INTEGER NOT NULL DEFAULT 0,
    previous       INTEGER NOT NULL DEFAULT 0,
    replaced_at    INTEGER NOT NULL DEFAULT 0,
    staged         INTEGER NOT NULL DEFAULT 0,
    branch         TEXT    NOT NULL,
    env            TEXT    NOT NULL, -- JSON object: name -> sealed value
    patch_schedule TEXT    NOT NULL,
    patch_pinned   INTEGER NOT NULL,
    last_slot      INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE domains (
    host TEXT NOT NULL PRIMARY KEY,
    app  TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE
) STRICT;
CREATE INDEX domains_of_app ON domains (app);

CREATE TABLE access (
    user    TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    app     TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    granted TEXT NOT NULL CHECK (granted IN ('viewer', 'deployer', 'admin')),
    PRIMARY KEY (user, app)
) STRICT;
CREATE INDEX access_of_app ON access (app);

CREATE TABLE releases (
    app            TEXT    NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    number         INTEGER NOT NULL,
    commit_id      TEXT    NOT NULL,
    commit_author  TEXT    NOT NULL,
    commit_subject TEXT    NOT NULL,
    commit_at      INTEGER NOT NULL,
    image          TEXT    NOT NULL,
    settings       TEXT    NOT NULL, -- JSON
    env            TEXT    NOT NULL, -- JSON object: name -> sealed value
    created_at     INTEGER NOT NULL,
    created_by     TEXT    NOT NULL,
    cause          TEXT    NOT NULL,
    gone           INTEGER NOT NULL,
    PRIMARY KEY (app, number)
) STRICT;

-- AUTOINCREMENT: a deployment's number is never given again, not even after
-- its app was destroyed.
CREATE TABLE deployments (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    app            TEXT    NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    cause          TEXT    NOT NULL,
    state          TEXT    NOT NULL,
    color          TEXT    NOT NULL CHECK (color IN ('', 'blue', 'green')),
    release        INTEGER NOT NULL,
    target         INTEGER NOT NULL,
    replaces       INTEGER NOT NULL,
    asked_by       TEXT    NOT NULL,
    note           TEXT    NOT NULL,
    ref            TEXT    NOT NULL,
    old_id         TEXT    NOT NULL,
    new_id         TEXT    NOT NULL,
    commit_id      TEXT    NOT NULL,
    commit_author  TEXT    NOT NULL,
    commit_subject TEXT    NOT NULL,
    commit_at      INTEGER NOT NULL,
    pushed_by      TEXT    NOT NULL,
    options        TEXT    NOT NULL, -- JSON
    created_at     INTEGER NOT NULL,
    started_at     INTEGER NOT NULL,
    promoted_at    INTEGER NOT NULL,
    finished_at    INTEGER NOT NULL,
    failure        TEXT, -- JSON
    receipt        TEXT, -- JSON
    version        INTEGER NOT NULL
) STRICT;
CREATE INDEX deployments_of_app ON deployments (app, id);
CREATE INDEX deployments_by_state ON deployments (state, app);

CREATE TABLE log_lines (
    deployment INTEGER NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    n          INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    text       TEXT    NOT NULL,
    PRIMARY KEY (deployment, n)
) STRICT, WITHOUT ROWID;

-- app is null for events that are about no app.
CREATE TABLE events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    app        TEXT REFERENCES apps (name) ON DELETE CASCADE,
    deployment INTEGER NOT NULL,
    state      TEXT    NOT NULL,
    by_user    TEXT    NOT NULL,
    text       TEXT    NOT NULL
) STRICT;
CREATE INDEX events_of_app ON events (app, id);

CREATE TABLE outbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    app        TEXT    NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    episode    TEXT    NOT NULL,
    channel    TEXT    NOT NULL,
    message_id TEXT    NOT NULL,
    alert      TEXT    NOT NULL, -- JSON
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER NOT NULL,
    last_error TEXT    NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    done_at    INTEGER NOT NULL DEFAULT 0,
    gave_up    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (episode, channel)
) STRICT;
CREATE INDEX outbox_waiting ON outbox (next_at) WHERE done_at = 0;
CREATE INDEX outbox_of_app ON outbox (app);

-- Refers to nothing: what was done stays on record when user or app are gone.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    user    TEXT    NOT NULL,
    verb    TEXT    NOT NULL,
    app     TEXT    NOT NULL,
    allowed INTEGER NOT NULL
) STRICT;

-- Only the SHA-256 of a token is kept.
CREATE TABLE login_tokens (
    hash       BLOB    NOT NULL PRIMARY KEY,
    user       TEXT    NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    hash       BLOB    NOT NULL PRIMARY KEY,
    user       TEXT    NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT;
