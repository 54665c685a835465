package schedule

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"teal/deploy"
)

// changes are days on which the clock is moved, in zones that do it in different
// ways, with a time of the day that it leaves out or shows twice.
var changes = []struct {
	zone, day, at string // noon (UTC) of the day before the change
	want          string
}{
	{"Europe/Paris", "2026-03-28", "30 2 * * *", "2026-03-29T03:00:00+02:00"},
	{"Europe/Paris", "2026-10-24", "30 2 * * *", "2026-10-25T02:30:00+02:00"},
	{"America/New_York", "2026-03-07", "30 2 * * *", "2026-03-08T03:00:00-04:00"},
	{"America/New_York", "2026-10-31", "30 1 * * *", "2026-11-01T01:30:00-04:00"},
	{"America/Santiago", "2026-09-05", "0 0 * * *", "2026-09-06T01:00:00-03:00"},   // midnight does not exist
	{"America/Santiago", "2026-04-04", "30 23 * * *", "2026-04-04T23:30:00-03:00"}, // the hour before it does twice
	{"America/Santiago", "2026-04-04", "0 0 * * *", "2026-04-05T00:00:00-04:00"},
	{"Asia/Beirut", "2026-03-28", "0 0 * * *", "2026-03-29T01:00:00+03:00"},
	{"Asia/Beirut", "2026-10-24", "30 23 * * *", "2026-10-24T23:30:00+03:00"},
	{"America/Havana", "2026-03-07", "30 0 * * *", "2026-03-08T01:00:00-04:00"},
	{"Atlantic/Azores", "2026-10-24", "30 0 * * *", "2026-10-25T00:30:00Z"},
	{"Australia/Lord_Howe", "2026-10-03", "15 2 * * *", "2026-10-04T02:30:00+11:00"}, // half an hour
	{"Australia/Lord_Howe", "2026-04-04", "45 1 * * *", "2026-04-05T01:45:00+11:00"},
	{"Antarctica/Troll", "2026-03-28", "30 1 * * *", "2026-03-29T03:00:00+02:00"}, // two hours
	{"Antarctica/Troll", "2026-10-24", "30 2 * * *", "2026-10-25T02:30:00+02:00"},
}

func TestTheDayThatChangesTheClockHasItsRunOnceInEveryZone(t *testing.T) {
	for _, c := range changes {
		t.Run(c.zone+" "+c.day, func(t *testing.T) {
			z := zone(t, c.zone)
			got := slots(t, c.at, c.day+"T12:00:00Z", z, 2)
			if got[0] != c.want {
				t.Errorf("the slot is %s, want %s", got[0], c.want)
			}
			first, second := moment(t, got[0]), moment(t, got[1])
			if apart := second.Sub(first); apart < 20*time.Hour || apart > 28*time.Hour {
				t.Errorf("the next slot is %s", got[1])
			}
			// Whoever asks at any moment in between is told the same next one.
			for at := first; at.Before(second); at = at.Add(7 * time.Minute) {
				if next := slots(t, c.at, at.Format(time.RFC3339), z, 1)[0]; next != got[1] {
					t.Fatalf("after %s comes %s, want %s", at, next, got[1])
				}
			}
		})
	}
}

// TestARestartAtAnyMomentOfTheDayThatChangesTheClockNeitherSkipsNorRepeats: a
// daemon that is killed and started every 23 minutes has run once each day.
func TestARestartAtAnyMomentOfTheDayThatChangesTheClockNeitherSkipsNorRepeats(t *testing.T) {
	for _, c := range changes {
		t.Run(c.zone+" "+c.day, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := at(t, c.day+"T12:00:00Z", "blog", "shop")
				w.live(time.Minute, func(s *Config) { s.Default, s.TimeZone = parse(t, c.at), zone(t, c.zone) })
				for w.now().Before(moment(t, c.day+"T12:00:00Z").Add(2 * day)) {
					time.Sleep(11 * time.Minute) // down
					w.live(12*time.Minute, func(s *Config) { s.Default, s.TimeZone = parse(t, c.at), zone(t, c.zone) })
				}
				of := map[string]int{}
				for _, run := range w.runs {
					of[strings.Fields(run)[0]]++
				}
				if of["blog"] != 2 || of["shop"] != 2 {
					t.Errorf("in two days: %q", w.runs)
				}
			})
		})
	}
}

// TestARunInAWindowComesOnceOnTheDaysThatChangeTheClock: over midnight, into the
// hour that is left out or repeated, and for apps whose delay is longer than the
// window.
func TestARunInAWindowComesOnceOnTheDaysThatChangeTheClock(t *testing.T) {
	texts := []string{"22:00-04:00", "02:15-02:45", "23:55-00:05"}
	for i, c := range changes {
		text := texts[i%len(texts)]
		t.Run(c.zone+" "+c.day+" "+text, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				window, err := deploy.ParseWindow(text)
				if err != nil {
					t.Fatal(err)
				}
				z := zone(t, c.zone)
				w := at(t, c.day+"T12:00:00Z", "shop")
				w.live(2*day, func(s *Config) {
					s.Default, s.TimeZone, s.Jitter = parse(t, c.at), z, 30*time.Minute
					s.Window = func(context.Context, deploy.App) deploy.Window { return window }
				})
				nights := map[string]bool{}
				for _, run := range w.runs {
					began := moment(t, strings.Fields(run)[1])
					night := began.Add(-12 * time.Hour).In(z).Format(time.DateOnly)
					if nights[night] || window.Left(began, z) <= 0 {
						t.Errorf("%s: outside of the window, or the second in its night", began.In(z))
					}
					nights[night] = true
				}
				if len(w.runs) < 1 || len(w.runs) > 2 {
					t.Errorf("in two days: %q", w.runs)
				}
			})
		})
	}
}

func TestADelayNeverCarriesARunOutOfItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var names []string
		for i := range 30 {
			names = append(names, fmt.Sprintf("app-%d", i))
		}
		window, err := deploy.ParseWindow("03:00-03:20")
		if err != nil {
			t.Fatal(err)
		}
		w := at(t, "2026-11-20T12:00:00Z", names...)
		w.live(day, func(c *Config) {
			c.Default, c.Jitter = parse(t, "0 3 * * *"), time.Hour
			c.Window = func(context.Context, deploy.App) deploy.Window { return window }
		})
		var times []string
		for _, run := range w.runs {
			began := moment(t, strings.Fields(run)[1])
			if window.Left(began, time.UTC) <= 0 {
				t.Errorf("%s lies outside of the window", run)
			}
			times = append(times, began.Format("15:04"))
		}
		if len(w.runs) != 30 || len(slices.Compact(times)) < 10 {
			t.Errorf("%d runs, at %q; want 30, spread", len(w.runs), times)
		}
	})
}
