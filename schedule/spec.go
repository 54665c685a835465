package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"teal/deploy"
)

// Spec says when something happens: a checked cron expression, "off", or ""
// (the server's default). It is a value; its zero value is "".
type Spec struct {
	text string
	wall cron.Schedule  // in wall-clock time, which knows no summer time; nil: off or default
	zone *time.Location // of CRON_TZ; nil: the server's
}

// shift is more than a clock was ever moved by: a whole day (Samoa, 2011).
const shift = 25 * time.Hour

// longest is far above any sensible expression; it bounds the work of parsing.
const longest = 120

var fields = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// ParseSpec checks a schedule from outside: five cron fields (minute, hour, day
// of month, month, day of week), or @hourly, @daily, @weekly, @monthly or
// @yearly, either with CRON_TZ=Area/City before it; or "off"; or "" for the
// server's default. The error is written for the person who typed it and wraps
// deploy.ErrBadName.
func ParseSpec(s string) (Spec, error) {
	text := strings.Join(strings.Fields(s), " ")
	switch {
	case text == "" || text == "off":
		return Spec{text: text}, nil
	case len(text) > longest:
		return Spec{}, refuse(text, "it is too long")
	}
	zone, expr, err := splitZone(text)
	if err != nil {
		return Spec{}, refuse(text, err.Error())
	}
	if strings.HasPrefix(expr, "@every") {
		return Spec{}, refuse(text, "@every has no hour of the day")
	}
	if strings.Contains(expr, "TZ=") {
		// The library panics on some of these, so it never sees one.
		return Spec{}, refuse(text, "the time zone stands first, as CRON_TZ=Area/City")
	}
	// The library skips what falls into the hour that spring leaves out and runs
	// twice what falls into the hour that autumn repeats. So it only ever counts
	// in a zone without either, and WallShows makes real times of the result.
	wall, err := fields.Parse("CRON_TZ=UTC " + expr)
	if err != nil {
		return Spec{}, refuse(text, err.Error())
	}
	if wall.Next(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Spec{}, refuse(text, "there is no such day in the calendar")
	}
	return Spec{text: text, wall: wall, zone: zone}, nil
}

func refuse(text, why string) error {
	return fmt.Errorf("%w: %q is no schedule: %s; use five fields (minute hour day month weekday) such as \"30 3 * * *\", or \"@daily\", or \"off\"",
		deploy.ErrBadName, deploy.Clean(text, longest), deploy.Clean(why, 200))
}

func splitZone(text string) (*time.Location, string, error) {
	rest, found := strings.CutPrefix(text, "CRON_TZ=")
	if !found {
		return nil, text, nil
	}
	name, expr, _ := strings.Cut(rest, " ")
	if name == "" || name == "Local" || expr == "" {
		return nil, "", fmt.Errorf("CRON_TZ wants a zone such as Europe/Paris, and the five fields after it")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, "", fmt.Errorf("%s is not a time zone this server knows", name)
	}
	return zone, expr, nil
}

// Off tells whether the spec says "off": never.
func (s Spec) Off() bool { return s.text == "off" }

// Default tells whether the spec is "": as the server has it.
func (s Spec) Default() bool { return s.text == "" }

// String gives the spec as it is stored.
func (s Spec) String() string { return s.text }

// Next gives the first slot after t; false when there is none. zone is used
// when the spec names none. Each wall-clock time happens once: one that spring
// leaves out happens when the clock has jumped, one that autumn repeats happens
// the first time only.
func (s Spec) Next(t time.Time, zone *time.Location) (time.Time, bool) {
	if s.wall == nil {
		return time.Time{}, false
	}
	if s.zone != nil {
		zone = s.zone
	}
	wall := deploy.OnWall(t, zone)
	if begin, _ := t.In(zone).ZoneBounds(); t.Sub(begin) < shift {
		// The clock was moved, so earlier wall-clock times may be yet to come.
		wall = wall.Add(-shift)
	}
	for {
		if wall = s.wall.Next(wall); wall.IsZero() {
			return time.Time{}, false
		}
		if slot, _ := deploy.WallShows(wall, zone); slot.After(t) {
			return slot, true
		}
	}
}

// Latest gives the last slot at or before t and not before since; false when
// there is none. It is how slots that were missed become one.
func (s Spec) Latest(since, t time.Time, zone *time.Location) (time.Time, bool) {
	const day = 24 * time.Hour
	for _, back := range []time.Duration{time.Hour, day, 32 * day, 5 * 366 * day} {
		from := t.Add(-back)
		if from.Before(since) {
			from = since
		}
		latest, found := time.Time{}, false
		for slot, ok := s.Next(from.Add(-time.Nanosecond), zone); ok && !slot.After(t); slot, ok = s.Next(slot, zone) {
			latest, found = slot, true
		}
		if found || from.Equal(since) {
			return latest, found
		}
	}
	return time.Time{}, false
}
