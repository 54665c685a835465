-- +goose Up

-- The packages in which a security patch differs, as JSON.
ALTER TABLE deployments ADD COLUMN changes TEXT;

-- What patch runs found in an app, and how they went, as JSON.
CREATE TABLE patches (
    app    TEXT NOT NULL PRIMARY KEY REFERENCES apps (name) ON DELETE CASCADE,
    record TEXT NOT NULL
) STRICT;
