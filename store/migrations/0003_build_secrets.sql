-- +goose Up

-- What builds may use and images never hold: JSON object, name -> sealed value.
ALTER TABLE apps ADD COLUMN build_secrets TEXT NOT NULL DEFAULT '{}';
