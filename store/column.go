package store

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"
)

// micros is how a time is stored: unix microseconds, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment reads a time.
type moment struct{ t *time.Time }

// Scan takes what micros made.
func (m moment) Scan(stored any) error {
	us, ok := stored.(int64)
	if !ok {
		return fmt.Errorf("%v is not a stored time", stored)
	}
	*m.t = time.Time{}
	if us != 0 {
		*m.t = time.UnixMicro(us).UTC()
	}
	return nil
}

// document stores and reads a value as JSON; nil pointers and maps as NULL.
type document struct{ v any }

// Value makes the JSON.
func (d document) Value() (driver.Value, error) {
	b, err := json.Marshal(d.v)
	if err != nil || string(b) == "null" {
		return nil, err
	}
	return string(b), nil
}

// Scan reads the JSON; NULL leaves the value as it is.
func (d document) Scan(stored any) error {
	switch s := stored.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(s), d.v)
	case []byte:
		return json.Unmarshal(s, d.v)
	}
	return fmt.Errorf("%T is not stored JSON", stored)
}
