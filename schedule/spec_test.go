package schedule

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func parse(t testing.TB, s string) Spec {
	t.Helper()
	spec, err := ParseSpec(s)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func moment(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// slots lists the first n slots after from, as RFC 3339 in zone.
func slots(t testing.TB, spec, from string, z *time.Location, n int) []string {
	t.Helper()
	var all []string
	at, s := moment(t, from), parse(t, spec)
	for range n {
		next, ok := s.Next(at, z)
		if !ok {
			return append(all, "none")
		}
		at = next
		all = append(all, at.In(z).Format(time.RFC3339))
	}
	return all
}

func TestSlotThatSpringLeavesOutRunsOnceThatDay(t *testing.T) {
	paris := zone(t, "Europe/Paris") // 29 March 2026: 02:00 becomes 03:00
	got := slots(t, "30 2 * * *", "2026-03-27T12:00:00Z", paris, 3)
	want := []string{"2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("slots around the jump: %v, want %v", got, want)
	}
	got = slots(t, "*/30 2,3 * * *", "2026-03-29T00:00:00Z", paris, 3)
	want = []string{"2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:00:00+02:00"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("several slots around the jump: %v, want %v", got, want)
	}
}

func TestSlotThatAutumnRepeatsRunsOnceThatDay(t *testing.T) {
	paris := zone(t, "Europe/Paris") // 25 October 2026: 03:00 becomes 02:00
	got := slots(t, "30 2 * * *", "2026-10-24T12:00:00Z", paris, 2)
	want := []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("slots around the repeated hour: %v, want %v", got, want)
	}
	// Asked in the middle of the second 02:15, the first 02:30 is over.
	got = slots(t, "30 2 * * *", "2026-10-25T01:15:00Z", paris, 1)
	if got[0] != "2026-10-26T02:30:00+01:00" {
		t.Errorf("in the repeated hour the next slot is %s", got[0])
	}
}

func TestMidnightThatDoesNotExistRunsWhenTheDayBegins(t *testing.T) {
	// Santiago jumps at midnight from 5 to 6 September 2026: 00:00 becomes 01:00.
	got := slots(t, "@daily", "2026-09-05T12:00:00Z", zone(t, "America/Santiago"), 2)
	want := []string{"2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("slots: %v, want %v", got, want)
	}
	// Samoa left out the whole of 30 December 2011.
	got = slots(t, "0 9 30 12 *", "2011-12-29T12:00:00Z", zone(t, "Pacific/Apia"), 1)
	if got[0] != "2011-12-31T00:00:00+14:00" {
		t.Errorf("the slot of the day left out is %s", got[0])
	}
}

func TestSlotsOnlyEverGoForward(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu"} {
		z := zone(t, name)
		for _, expr := range []string{"*/20 * * * *", "45 1,2,3 * * *", "0 0 * * *"} {
			spec := parse(t, expr)
			end := moment(t, "2027-01-01T00:00:00Z")
			seen := map[string]bool{}
			for at := moment(t, "2026-01-01T00:00:00Z"); at.Before(end); {
				next, ok := spec.Next(at, z)
				if !ok || !next.After(at) {
					t.Fatalf("%s in %s: after %s comes %s", expr, name, at, next)
				}
				wall := next.In(z).Format("2006-01-02 15:04")
				if seen[wall] {
					t.Fatalf("%s in %s: %s happens twice", expr, name, wall)
				}
				seen[wall] = true
				at = next
			}
		}
	}
}

func TestZoneInTheScheduleBeatsTheServers(t *testing.T) {
	got := slots(t, "CRON_TZ=Asia/Tokyo 30 3 * * *", "2026-11-20T00:00:00Z", zone(t, "Europe/Paris"), 1)
	if got[0] != "2026-11-20T19:30:00+01:00" {
		t.Errorf("03:30 in Tokyo is %s", got[0])
	}
}

func TestLatestFindsTheSlotThatWasMissedLast(t *testing.T) {
	now := moment(t, "2026-11-20T12:34:00Z")
	for _, c := range []struct{ spec, since, want string }{
		{"* * * * *", "2020-01-01T00:00:00Z", "2026-11-20T12:34:00Z"},
		{"30 3 * * *", "2026-11-01T03:30:00Z", "2026-11-20T03:30:00Z"},
		{"@weekly", "2026-01-01T00:00:00Z", "2026-11-15T00:00:00Z"},
		{"@yearly", "2025-06-01T00:00:00Z", "2026-01-01T00:00:00Z"},
		{"@yearly", "2026-06-01T00:00:00Z", ""},
		{"30 3 * * *", "2026-11-20T03:30:00Z", "2026-11-20T03:30:00Z"},
	} {
		got, ok := parse(t, c.spec).Latest(moment(t, c.since), now, time.UTC)
		if (c.want != "") != ok || ok && !got.Equal(moment(t, c.want)) {
			t.Errorf("latest of %q since %s: %s, want %s", c.spec, c.since, got, c.want)
		}
	}
}

func TestScheduleThatNeverComesIsRefused(t *testing.T) {
	for _, s := range []string{
		"0 3 31 2 *", "0 3 30 feb *", "0 3 31 4,6,9,11 *",
		"61 * * * *", "* * * *", "* * * * * *", "nonsense", "@every 5m", "@reboot", "@",
		"TZ=UTC", "CRON_TZ=UTC", "CRON_TZ= 0 3 * * *", "CRON_TZ=Local 0 3 * * *", "CRON_TZ=../etc/passwd 0 3 * * *",
		"CRON_TZ=Mars/Olympus 0 3 * * *", "CRON_TZ=UTC TZ=UTC", "TZ=UTC 0 3 * * *", strings.Repeat("1,", 100) + "1 * * * *",
		"\x1b[31m3 * * * *",
	} {
		_, err := ParseSpec(s)
		if !errors.Is(err, deploy.ErrBadName) {
			t.Errorf("%q: error %v, want one that wraps ErrBadName", s, err)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%q: the error %q is not fit for a terminal", s, err)
		}
	}
}

func TestGoodSchedulesAreKeptAsWritten(t *testing.T) {
	for in, want := range map[string]string{
		" 30  3 * * * ": "30 3 * * *", "@daily": "@daily", "off": "off", "": "",
		"0 3 29 2 *": "0 3 29 2 *", "CRON_TZ=Europe/Paris 0 3 * * mon-fri": "CRON_TZ=Europe/Paris 0 3 * * mon-fri",
	} {
		if got := parse(t, in).String(); got != want {
			t.Errorf("%q is kept as %q, want %q", in, got, want)
		}
	}
	if !parse(t, "off").Off() || !parse(t, "").Default() {
		t.Error(`"off" and "" are not told apart`)
	}
}

func FuzzParseSpec(f *testing.F) {
	for _, s := range []string{"30 3 * * *", "CRON_TZ=Europe/Paris @daily", "TZ=", "*/0 * * * *", "1-/3 ? * * *", "@every 1h"} {
		f.Add(s)
	}
	now := time.Date(2026, 3, 29, 0, 59, 0, 0, time.UTC)
	paris := zone(f, "Europe/Paris")
	f.Fuzz(func(t *testing.T, s string) {
		spec, err := ParseSpec(s)
		if err != nil || spec.Off() || spec.Default() {
			return
		}
		if next, ok := spec.Next(now, paris); ok && !next.After(now) {
			t.Fatalf("%q: after %s comes %s", s, now, next)
		}
		if again, err := ParseSpec(spec.String()); err != nil || again.String() != spec.String() {
			t.Fatalf("%q is kept as %q, which reads as %q (%v)", s, spec, again, err)
		}
	})
}
