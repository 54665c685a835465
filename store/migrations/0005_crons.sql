-- +goose Up

-- What is known of a scheduled command: up to which time of its schedule it was
-- dealt with, and how its latest run went.
CREATE TABLE crons (
    app    TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    record TEXT NOT NULL, -- JSON of deploy.CronRecord
    PRIMARY KEY (app, name)
) STRICT;
