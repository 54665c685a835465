package deploy

import (
	"fmt"
	"time"
)

// Window is a time of day in which something may begin, by the clock on a wall.
// The zero Window is the whole day.
type Window struct {
	from, length time.Duration // since midnight; length 0: the whole day
}

// ParseWindow reads "02:00-05:00", or "22:00-04:00" over midnight; "" is the
// whole day. The error is for the person who wrote it.
func ParseWindow(s string) (Window, error) {
	if s == "" {
		return Window{}, nil
	}
	var from, to time.Time
	var err error
	if len(s) == len("02:00-05:00") && s[5] == '-' {
		if from, err = time.Parse("15:04", s[:5]); err == nil {
			to, err = time.Parse("15:04", s[6:])
		}
	} else {
		err = fmt.Errorf("too long or too short")
	}
	length := (to.Sub(from) + 24*time.Hour) % (24 * time.Hour)
	if err != nil || length == 0 {
		return Window{}, fmt.Errorf("%w: %q is no time of day: write it like \"02:00-05:00\"", ErrBadName, Clean(s, 40))
	}
	midnight := time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, time.UTC)
	return Window{from.Sub(midnight), length}, nil
}

// Next gives the first moment at or after t that lies in the window. On the days
// on which the clock is moved the window is as long as ever, and there is one:
// an opening that the clock jumps over is when it has jumped.
func (w Window) Next(t time.Time, zone *time.Location) time.Time {
	if w.length == 0 {
		return t
	}
	local := t.In(zone)
	for day := -1; ; day++ {
		hour, minute := int(w.from/time.Hour), int(w.from%time.Hour/time.Minute)
		open := firstOf(time.Date(local.Year(), local.Month(), local.Day()+day, hour, minute, 0, 0, zone))
		switch {
		case open.After(t):
			return open
		case t.Before(open.Add(w.length)):
			return t
		}
	}
}

// firstOf gives the earlier one of two moments that the clock shows alike.
func firstOf(t time.Time) time.Time {
	begin, _ := t.ZoneBounds()
	if begin.IsZero() {
		return t
	}
	_, now := t.Zone()
	_, before := begin.Add(-time.Second).Zone()
	first := t.Add(time.Duration(now-before) * time.Second)
	if first.Before(begin) && first.Format(time.DateTime) == t.Format(time.DateTime) {
		return first
	}
	return t
}
