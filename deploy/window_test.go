package deploy_test

import (
	"errors"
	"testing"
	"time"

	"teal/deploy"
)

func TestWindowOpensOnceADayWhateverTheClockDoes(t *testing.T) {
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
		{"02:15-02:45", "2026-03-28T12:00:00Z", "2026-03-29T01:15:00Z"}, // spring: 03:15 instead
		{"02:15-02:45", "2026-03-29T01:20:00Z", "2026-03-29T01:20:00Z"},
		{"02:15-02:45", "2026-03-29T01:50:00Z", "2026-03-30T00:15:00Z"},
		{"02:15-02:45", "2026-10-24T12:00:00Z", "2026-10-25T00:15:00Z"}, // autumn: the first of the two
		{"02:15-02:45", "2026-10-25T01:20:00Z", "2026-10-26T01:15:00Z"}, // and not the second
	} {
		w, err := deploy.ParseWindow(c.window)
		if err != nil {
			t.Fatal(err)
		}
		at, _ := time.Parse(time.RFC3339, c.at)
		if got := w.Next(at, paris).UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("window %q from %s: %s, want %s", c.window, c.at, got, c.want)
		}
	}
	for _, bad := range []string{"2:00-05:00", "02:00", "02:00-02:00", "25:00-26:00", "02:00–05:00", "night"} {
		if _, err := deploy.ParseWindow(bad); !errors.Is(err, deploy.ErrBadName) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
