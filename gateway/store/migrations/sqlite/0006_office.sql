-- Who may see the dashboard, who is logged in, and who did what.

-- `password` is an argon2 hash with its own salt and cost.
CREATE TABLE admins (
    name       TEXT PRIMARY KEY,
    role       TEXT NOT NULL CHECK (role IN ('operator', 'viewer')),
    password   TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A session is found by the hash of its token, which nobody but the browser holds.
CREATE TABLE sessions (
    id         INTEGER PRIMARY KEY,
    hash       BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    admin      TEXT NOT NULL REFERENCES admins (name),
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    address    TEXT NOT NULL,
    agent      TEXT NOT NULL
) STRICT;

CREATE INDEX sessions_of_admin ON sessions (admin);

-- Who did what. A row is written before a command is done, so that none is missing; `outcome` says what came of it.
-- `details` is JSON: those of a command's values that are known to be no secrets.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    who     TEXT NOT NULL,
    command TEXT NOT NULL,
    about   TEXT NOT NULL,
    details TEXT NOT NULL CHECK (json_valid(details)),
    outcome TEXT NOT NULL
) STRICT;
