package deploy

import "time"

// OnWall reads the clock on the wall in zone at t, and writes down what it shows
// as if that were UTC, where no clock is ever moved.
func OnWall(t time.Time, zone *time.Location) time.Time {
	t = t.In(zone)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// WallShows gives the first and the last moment at which the clock on the wall in
// zone shows wall (as OnWall writes it). They differ when the clock is moved back
// over it; when it is moved forward over it both are the moment at which it jumps.
// The first never goes backward when wall goes forward, nor does the last.
func WallShows(wall time.Time, zone *time.Location) (first, last time.Time) {
	// time.Date does not say which of two moments it gives, or to which side of
	// a gap it falls.
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), zone)
	begin, end := t.ZoneBounds()
	switch shown := OnWall(t, zone); {
	case shown.Before(wall):
		return end, end
	case shown.After(wall):
		return begin, begin
	}
	first, last = t, t
	if !begin.IsZero() {
		if before := t.Add(offset(t) - offset(begin.Add(-1))); before.Before(begin) && OnWall(before, zone).Equal(wall) {
			first = before
		}
	}
	if !end.IsZero() {
		if after := t.Add(offset(t) - offset(end)); !after.Before(end) && OnWall(after, zone).Equal(wall) {
			last = after
		}
	}
	return first, last
}

// offset is how far the clock is before UTC's.
func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}
