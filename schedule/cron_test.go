package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"teal/deploy"
)

// desk is the engine as the clock of commands sees it.
type desk struct {
	w *world

	mu      sync.Mutex
	table   []deploy.CronEntry
	runs    []string // "name 2006-01-02T15:04:05Z"
	notes   []string
	busy    int // the next calls that find the command busy
	changed chan struct{}
}

// commandsAt makes a world whose clock shows the time, with commands "name schedule".
func commandsAt(t *testing.T, now string, commands ...string) *desk {
	d := &desk{w: at(t, now), changed: make(chan struct{}, 1)}
	for _, c := range commands {
		name, spec, _ := strings.Cut(c, " ")
		d.table = append(d.table, deploy.CronEntry{App: "shop", Release: 1, CronJob: deploy.CronJob{Name: name, Schedule: spec}})
	}
	return d
}

func (d *desk) CronTable(context.Context, deploy.AppName) ([]deploy.CronEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.table), nil
}

func (d *desk) CronSeen(_ context.Context, e deploy.CronEntry, slot time.Time, note string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mark(e.Name, slot)
	if note != "" {
		d.notes = append(d.notes, note)
	}
	return nil
}

func (d *desk) mark(name string, slot time.Time) {
	for i := range d.table {
		if e := &d.table[i]; e.Name == name {
			e.Last.Schedule, e.Last.Slot, e.Last.Reached = e.Schedule, slot, e.Release
		}
	}
}

func (d *desk) CronDue(_ context.Context, _ deploy.AppName, name string, slot time.Time) error {
	now := d.w.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy > 0 {
		d.busy--
		return fmt.Errorf("a single writer is replaced: %w", deploy.ErrBusy)
	}
	d.mark(name, slot)
	d.runs = append(d.runs, name+" "+now.Format(time.RFC3339))
	return nil
}

// live runs a scheduler for the time, and then once more what follows.
func (d *desk) live(length time.Duration, zone *time.Location) {
	d.during(zone, func(*Scheduler) { time.Sleep(length) })
}

func (d *desk) during(zone *time.Location, then func(*Scheduler)) {
	d.w.during(func(c *Config) {
		c.Crons, c.Changed, c.Log = d, d.changed, slog.New(slog.DiscardHandler)
		if zone != nil {
			c.TimeZone = zone
		}
	}, then)
}

func (d *desk) want(t *testing.T, runs ...string) {
	t.Helper()
	if !slices.Equal(d.runs, runs) {
		t.Errorf("runs:\n  %s\nwant:\n  %s", strings.Join(d.runs, "\n  "), strings.Join(runs, "\n  "))
	}
}

func TestCommandsRunAtTheirTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := commandsAt(t, "2026-11-20T11:59:30Z", "mail */5 * * * *", "clean @daily")
		d.live(12*time.Hour+10*time.Minute, nil)
		var mails []string
		for _, r := range d.runs {
			if strings.HasPrefix(r, "mail") {
				mails = append(mails, r)
			}
		}
		if len(mails) != 146 || mails[0] != "mail 2026-11-20T12:00:00Z" {
			t.Errorf("%d mails, the first %s", len(mails), mails[0])
		}
		if !slices.Contains(d.runs, "clean 2026-11-21T00:00:00Z") || len(d.runs) != len(mails)+1 {
			t.Errorf("%d runs in all", len(d.runs))
		}
	})
}

func TestCommandsRunOnceOnTheDaysThatChangeTheClock(t *testing.T) {
	paris := zone(t, "Europe/Paris")
	for start, want := range map[string]string{
		"2026-03-28T12:00:00Z": "nightly 2026-03-29T01:00:00Z", // 03:00 CEST, the first moment after the gap
		"2026-10-24T12:00:00Z": "nightly 2026-10-25T00:30:00Z", // 02:30 CEST, the first of the two
	} {
		synctest.Test(t, func(t *testing.T) {
			d := commandsAt(t, start, "nightly 30 2 * * *")
			d.live(day, paris)
			d.want(t, want)
		})
	}
}

func TestRunMissedForLessThanAnHourIsMadeUpOnceAndAnOlderOneIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := commandsAt(t, "2026-11-20T03:00:00Z", "nightly 30 3 * * *", "often */10 * * * *")
		d.live(time.Minute, nil)
		time.Sleep(49 * time.Minute) // down from 03:01 to 03:50:00
		d.live(time.Second, nil)
		d.want(t, "nightly 2026-11-20T03:50:00Z", "often 2026-11-20T03:50:00Z")
		time.Sleep(day + 4*time.Hour)
		d.live(time.Second, nil)
		d.want(t, "nightly 2026-11-20T03:50:00Z", "often 2026-11-20T03:50:00Z", "often 2026-11-21T07:50:01Z")
		if len(d.notes) != 1 || !strings.Contains(d.notes[0], "nightly did not run at Sat 21 Nov 03:30 UTC") || !strings.Contains(d.notes[0], "next Sun 22 Nov 03:30 UTC") {
			t.Errorf("notes: %q", d.notes)
		}
	})
}

func TestClockThatIsSetNeitherRepeatsNorSkipsARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := commandsAt(t, "2026-11-20T03:00:00Z", "nightly 30 3 * * *")
		d.during(nil, func(*Scheduler) {
			time.Sleep(40 * time.Minute) // it ran at 03:30
			d.w.jump(-30 * time.Minute)  // 03:10 again
			time.Sleep(time.Hour)
			d.want(t, "nightly 2026-11-20T03:30:00Z")
			d.w.jump(23*time.Hour + 30*time.Minute) // over 03:30 of the next day
			time.Sleep(2 * time.Minute)
		})
		if len(d.runs) != 2 {
			t.Errorf("runs: %q", d.runs)
		}
	})
}

func TestNewScheduleCountsFromWhenItIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := commandsAt(t, "2026-11-20T03:00:00Z", "nightly 30 3 * * *")
		d.during(nil, func(*Scheduler) {
			time.Sleep(time.Hour)
			d.mu.Lock()
			d.table[0].Schedule = "0 2 * * *"
			d.mu.Unlock()
			d.changed <- struct{}{}
			time.Sleep(time.Hour)
		})
		d.want(t, "nightly 2026-11-20T03:30:00Z")
	})
}

func TestCommandOfADeploymentRunsAsSoonAsItIsLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := commandsAt(t, "2026-11-20T03:00:00Z", "after @deploy", "once @first-deploy", "seed @manual")
		d.during(nil, func(s *Scheduler) {
			time.Sleep(7 * time.Second)
			d.mu.Lock()
			for i := range d.table {
				d.table[i].Release = 2
			}
			d.mu.Unlock()
			d.changed <- struct{}{}
			time.Sleep(time.Hour)
			table, _ := d.CronTable(t.Context(), "")
			if next, ok := s.NextCron(table[0]); ok {
				t.Errorf("next run %s", next)
			}
		})
		d.want(t, "after 2026-11-20T03:00:00Z", "once 2026-11-20T03:00:00Z", "after 2026-11-20T03:00:07Z")
	})
}

func TestCommandThatCannotBeginIsTriedAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := commandsAt(t, "2026-11-20T03:00:00Z", "nightly 30 3 * * *")
		d.busy = 2
		d.live(time.Hour, nil)
		d.want(t, "nightly 2026-11-20T03:30:20Z")
	})
}

func TestCheckCronRefusesWhatNamesNoTime(t *testing.T) {
	for _, s := range []string{"", "off", "@every 2s", "61 * * * *", "0 0 31 2 *", "nightly"} {
		if err := CheckCron(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
	for _, s := range []string{"*/5 * * * *", "@hourly", "CRON_TZ=Europe/Paris 0 3 * * *"} {
		if err := CheckCron(s); err != nil {
			t.Error(err)
		}
	}
}
