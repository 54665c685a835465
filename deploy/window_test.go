package deploy_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

func TestWindowOpensEveryDayForItsLengthWhateverTheClockDoes(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ window, at, want string }{
		{"", "2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z"},
		{"02:00-05:00", "2026-11-20T02:30:00Z", "2026-11-20T02:30:00Z"}, // 03:30 in Paris
		{"02:00-05:00", "2026-11-20T12:00:00Z", "2026-11-21T01:00:00Z"},
		{"02:00-05:00", "2026-11-20T04:00:00Z", "2026-11-21T01:00:00Z"}, // the end is outside
		{"22:00-04:00", "2026-11-20T01:00:00Z", "2026-11-20T01:00:00Z"}, // over midnight
		{"22:00-04:00", "2026-11-20T12:00:00Z", "2026-11-20T21:00:00Z"},
		{"02:15-02:45", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"}, // spring: when the clock has jumped
		{"02:15-02:45", "2026-03-29T01:20:00Z", "2026-03-29T01:20:00Z"}, // and for half an hour
		{"02:15-02:45", "2026-03-29T01:30:00Z", "2026-03-30T00:15:00Z"},
		{"01:30-02:30", "2026-03-29T01:20:00Z", "2026-03-29T01:20:00Z"}, // an hour, although the clock shows half of it
		{"02:15-02:45", "2026-10-24T12:00:00Z", "2026-10-25T00:15:00Z"}, // autumn: as often as the clock shows it
		{"02:15-02:45", "2026-10-25T00:50:00Z", "2026-10-25T01:15:00Z"},
		{"02:15-02:45", "2026-10-25T01:50:00Z", "2026-10-26T01:15:00Z"},
		{"01:00-04:00", "2026-10-25T02:30:00Z", "2026-10-25T02:30:00Z"}, // until the clock shows 04:00, four hours
		{"01:00-04:00", "2026-10-25T03:00:00Z", "2026-10-26T00:00:00Z"},
		{"22:00-04:00", "2026-10-25T02:30:00Z", "2026-10-25T02:30:00Z"}, // over midnight and into it
		{"22:00-04:00", "2026-03-29T02:30:00Z", "2026-03-29T02:30:00Z"}, // six hours, although the clock shows 04:30
		{"22:00-04:00", "2026-03-29T03:00:00Z", "2026-03-29T20:00:00Z"},
		// Santiago moves its clock at midnight, from 24:00 to 23:00 and from 00:00 to 01:00.
		{"America/Santiago 23:30-00:30", "2026-04-04T12:00:00Z", "2026-04-05T02:30:00Z"},
		{"America/Santiago 23:30-00:30", "2026-04-05T03:10:00Z", "2026-04-05T03:10:00Z"}, // opened 40 minutes ago
		{"America/Santiago 00:00-00:30", "2026-09-06T00:00:00Z", "2026-09-06T04:00:00Z"},
		{"America/Santiago 00:00-00:30", "2026-09-06T04:30:00Z", "2026-09-07T03:00:00Z"},
		// Lord Howe moves its by half an hour.
		{"Australia/Lord_Howe 02:10-02:20", "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z"},
		{"Australia/Lord_Howe 01:40-01:50", "2026-04-04T12:00:00Z", "2026-04-04T14:40:00Z"},
		{"Australia/Lord_Howe 01:40-01:50", "2026-04-04T14:50:00Z", "2026-04-04T15:10:00Z"},
	} {
		zone, window := paris, c.window
		if name, rest, found := strings.Cut(c.window, " "); found {
			if zone, err = time.LoadLocation(name); err != nil {
				t.Fatal(err)
			}
			window = rest
		}
		w, err := deploy.ParseWindow(window)
		if err != nil {
			t.Fatal(err)
		}
		at, _ := time.Parse(time.RFC3339, c.at)
		next := w.Next(at, zone)
		if got := next.UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("window %q from %s: %s, want %s", c.window, c.at, got, c.want)
		}
		left := w.Left(next, zone)
		if left <= 0 || w.Left(next.Add(left-1), zone) <= 0 {
			t.Errorf("window %q is not open for %s from %s", c.window, left, next)
		}
	}
	for _, bad := range []string{"2:00-05:00", "02:00", "02:00-02:00", "25:00-26:00", "02:00–05:00", "night"} {
		if _, err := deploy.ParseWindow(bad); !errors.Is(err, deploy.ErrBadName) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestWindowIsOpenWhenItIsSaidToOpenInEveryZone at random moments near and far from
// those at which clocks are moved, and within a day and the jump.
func TestWindowIsOpenWhenItIsSaidToOpenInEveryZone(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	var zones []*time.Location
	for _, name := range []string{
		"UTC", "Europe/Paris", "America/New_York", "America/Santiago", "America/Havana", "America/St_Johns", "Asia/Beirut", "Asia/Kathmandu",
		"Atlantic/Azores", "Australia/Lord_Howe", "Antarctica/Troll", "Africa/Casablanca", "Pacific/Apia", "Pacific/Kwajalein", "Europe/Lisbon",
	} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		zones = append(zones, zone)
	}
	first := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 3000 {
		zone := zones[r.IntN(len(zones))]
		at := first.Add(time.Duration(r.Int64N(70 * 365 * 24 * int64(time.Hour))))
		if _, end := at.In(zone).ZoneBounds(); r.IntN(2) == 0 && !end.IsZero() {
			at = end.Add(time.Duration(r.Int64N(int64(6*time.Hour))) - 3*time.Hour)
		}
		text := fmt.Sprintf("%02d:%02d-%02d:%02d", r.IntN(24), r.IntN(60), r.IntN(24), r.IntN(60))
		w, err := deploy.ParseWindow(text)
		if err != nil {
			continue // of no length
		}
		next := w.Next(at, zone)
		if next.Before(at) || next.Sub(at) > 49*time.Hour || w.Left(next, zone) <= 0 || w.Left(next, zone) > 49*time.Hour {
			t.Fatalf("seed %d: window %s in %s: from %s it opens %s, for %s", seed, text, zone, at.In(zone), next.In(zone), w.Left(next, zone))
		}
		wall := deploy.OnWall(at, zone)
		from, to := deploy.WallShows(wall, zone)
		if from.After(at) || to.Before(at) {
			t.Fatalf("seed %d: in %s the clock shows %s at %s, and is said to first at %s and last at %s", seed, zone, wall, at, from, to)
		}
		if later, _ := deploy.WallShows(wall.Add(time.Minute), zone); later.Before(from) {
			t.Fatalf("seed %d: in %s a minute after %s is before it", seed, zone, wall)
		}
	}
}
