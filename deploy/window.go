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

// Next gives the first moment at or after t that lies in the window: at which the
// clock shows it, or at which it opened less than its length ago. So it is never
// shorter than it is written, also on the days on which the clock is moved; an
// opening that the clock jumps over is when it has jumped.
func (w Window) Next(t time.Time, zone *time.Location) time.Time {
	if w.Left(t, zone) > 0 {
		return t
	}
	for day := 0; ; day++ {
		for _, opens := range w.opens(t, day, zone) {
			if opens.After(t) {
				return opens
			}
		}
	}
}

// Left tells how long the window stays open from t on: 0 when t does not lie in
// it, a day when there is none.
func (w Window) Left(t time.Time, zone *time.Location) (left time.Duration) {
	if w.length == 0 {
		return 24 * time.Hour
	}
	for day := -2; day <= 0; day++ { // the days on which it may have opened
		for _, opened := range w.opens(t, day, zone) {
			if !opened.After(t) {
				left = max(left, opened.Add(w.length).Sub(t))
			}
		}
		from := w.onWall(t, day, zone)
		if shown := OnWall(t, zone); shown.Before(from) || !shown.Before(from.Add(w.length)) {
			continue
		}
		first, last := WallShows(from.Add(w.length), zone)
		if !first.After(t) {
			first = last
		}
		left = max(left, first.Sub(t))
	}
	return left
}

// opens gives when the window opens on the wall's day that is so many days after
// t's: twice when the clock is moved back over it.
func (w Window) opens(t time.Time, day int, zone *time.Location) [2]time.Time {
	first, last := WallShows(w.onWall(t, day, zone), zone)
	return [2]time.Time{first, last}
}

// onWall is what the clock shows then.
func (w Window) onWall(t time.Time, day int, zone *time.Location) time.Time {
	wall := OnWall(t, zone)
	return time.Date(wall.Year(), wall.Month(), wall.Day()+day, 0, 0, 0, 0, time.UTC).Add(w.from)
}
