-- +goose Up

-- The schedule that last_slot is a time of; '' when that is not known.
ALTER TABLE apps ADD COLUMN slot_schedule TEXT NOT NULL DEFAULT '';
