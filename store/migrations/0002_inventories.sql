-- +goose Up

-- The package list of a release, as gzipped JSON: a few KiB of some hundred packages.
CREATE TABLE inventories (
    app     TEXT    NOT NULL,
    release INTEGER NOT NULL,
    list    BLOB    NOT NULL,
    PRIMARY KEY (app, release),
    FOREIGN KEY (app, release) REFERENCES releases (app, number) ON DELETE CASCADE
) STRICT;
