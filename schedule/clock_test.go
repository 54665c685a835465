package schedule

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"teal/deploy"
)

// A time that knows how long the process has run is compared by that, and a
// clock that was set is not noticed.
func TestTheSchedulersClockIsTheOneOnTheWall(t *testing.T) {
	if now := New(Config{}).c.Now(); strings.Contains(now.String(), "m=") {
		t.Errorf("%s has a monotonic reading", now)
	}
}

// TestAClockThatJumpsByHoursNeitherSkipsNorRepeatsARun: set forward and backward,
// before and after the run of 03:30, with and without a restart in between, as a
// machine that slept finds its clock ahead. 48 hours hold two runs, or one when
// so much of them was jumped over.
func TestAClockThatJumpsByHoursNeitherSkipsNorRepeatsARun(t *testing.T) {
	for _, jump := range []time.Duration{-23 * time.Hour, -5 * time.Hour, -30 * time.Minute, 30 * time.Minute, 5 * time.Hour, 23 * time.Hour, 30 * time.Hour} {
		for _, after := range []time.Duration{time.Hour, 15*time.Hour + 29*time.Minute, 15*time.Hour + 31*time.Minute, 20 * time.Hour} {
			for _, restart := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s after %s, restart %t", jump, after, restart), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := at(t, "2026-11-20T12:00:00Z", "shop")
						end := moment(t, "2026-11-22T12:00:00Z")
						rest := func() { time.Sleep(max(end.Sub(w.now()), time.Hour)) }
						if restart {
							w.live(after, nil)
							w.jump(jump)
							w.during(nil, func(*Scheduler) { rest() })
						} else {
							w.during(nil, func(*Scheduler) {
								time.Sleep(after)
								w.jump(jump)
								rest()
							})
						}
						// The clock shows 03:30 of the 21st and of the 22nd, or jumps over one
						// or both of them at once, which then are made up as one.
						want := 2
						before := moment(t, "2026-11-20T12:00:00Z").Add(after)
						first, second := moment(t, "2026-11-21T03:30:00Z"), moment(t, "2026-11-22T03:30:00Z")
						if before.Before(first) && !before.Add(jump).Before(second) {
							want = 1
						}
						if len(w.runs) != want {
							t.Errorf("runs: %q, want %d", w.runs, want)
						}
					})
				})
			}
		}
	}
}

func TestAJumpForthAndBackAgainIsOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T12:00:00Z", "shop")
		w.during(nil, func(*Scheduler) {
			time.Sleep(time.Hour + 30*time.Second)
			w.jump(20 * time.Hour) // to the morning of the next day
			time.Sleep(10 * time.Minute)
			w.jump(-20 * time.Hour)
			time.Sleep(day)
		})
		w.want("shop 2026-11-21T09:01:00Z")
	})
}

func TestARunThatIsPutOffDoesNotWaitForAClockThatWasSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "shop")
		busy := w.busy()
		w.during(nil, func(*Scheduler) {
			time.Sleep(31 * time.Minute)
			w.jump(-10 * time.Hour)
			busy.Store(false)
			time.Sleep(30 * time.Minute)
		})
		if len(w.runs) != 2 {
			t.Errorf("runs: %q, want the one that was put off, and its second try", w.runs)
		}
	})
}

// TestSeveralAppsMissedSeveralNightsAndEachIsMadeUpOnce, one after the other and
// the one that waits longest first.
func TestSeveralAppsMissedSeveralNightsAndEachIsMadeUpOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T12:00:00Z", "api", "blog", "cart", "docs")
		w.slots["api"] = moment(t, "2026-11-18T03:30:00Z")
		w.slots["blog"] = moment(t, "2026-11-10T03:30:00Z")
		w.slots["cart"] = moment(t, "2026-11-20T03:30:00Z") // was not missed
		w.wait = func(_ context.Context, id deploy.DeploymentID) (deploy.Deployment, error) {
			time.Sleep(20 * time.Minute)
			return deploy.Deployment{ID: id, State: deploy.Live}, nil
		}
		w.live(10*time.Minute, nil) // Teal goes down in the first of them
		w.live(2*time.Hour, nil)
		w.live(2*time.Hour, nil)
		w.want("blog 2026-11-20T12:00:00Z", "api 2026-11-20T12:20:00Z")
	})
}

// TestAnotherDefaultScheduleMakesNothingUp: it was set while Teal was down, and
// what it would have asked for before was never asked for.
func TestAnotherDefaultScheduleMakesNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "blog", "shop")
		w.apps[0].PatchSchedule = "30 3 * * *"
		w.live(9*time.Hour, nil)
		w.live(day, func(c *Config) { c.Default = parse(t, "0 11 * * *") })
		w.want("blog 2026-11-20T03:30:00Z", "shop 2026-11-20T03:30:00Z", "blog 2026-11-21T03:30:00Z", "shop 2026-11-21T11:00:00Z")
	})
}

func TestAnotherScheduleTakesThePlaceOfARunThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "shop")
		busy := w.busy()
		w.during(nil, func(*Scheduler) {
			time.Sleep(35 * time.Minute) // it is put off until 03:40
			w.mu.Lock()
			w.apps[0].PatchSchedule = "0 22 * * *"
			w.mu.Unlock()
			busy.Store(false)
			time.Sleep(20 * time.Hour)
		})
		w.want("shop 2026-11-20T03:30:00Z", "shop 2026-11-20T22:00:00Z")
	})
}

// TestAnAppThatIsDestroyedInItsRunHoldsNobodyUp, and is not spoken of; one that
// was pushed to in its run has a newer release, and that is no failure either.
func TestAnAppThatIsDestroyedInItsRunHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "api", "blog", "cart", "docs")
		ids := map[deploy.AppName]deploy.DeploymentID{"api": 1, "blog": 2, "docs": 4}
		w.patch = func(_ context.Context, app deploy.AppName) (deploy.Deployment, error) {
			if app == "cart" { // gone between the list of apps and its turn
				return deploy.Deployment{}, fmt.Errorf("app cart: %w", deploy.ErrNotFound)
			}
			return deploy.Deployment{ID: ids[app]}, nil
		}
		w.wait = func(_ context.Context, id deploy.DeploymentID) (deploy.Deployment, error) {
			time.Sleep(time.Minute)
			switch id {
			case 1:
				w.mu.Lock()
				w.apps = w.apps[1:]
				w.mu.Unlock()
				return deploy.Deployment{}, fmt.Errorf("deployment 1: %w", deploy.ErrNotFound)
			case 2:
				return deploy.Deployment{ID: id, State: deploy.Superseded}, nil
			}
			return deploy.Deployment{ID: id, State: deploy.Live}, nil
		}
		w.live(time.Hour, nil)
		w.want("api 2026-11-20T03:30:00Z", "blog 2026-11-20T03:31:00Z", "cart 2026-11-20T03:32:00Z", "docs 2026-11-20T03:32:00Z")
		if len(w.events) != 0 {
			t.Errorf("events: %q", w.events)
		}
	})
}

// busy has every patch find its app busy, until it is set to false.
func (w *world) busy() *atomic.Bool {
	busy := new(atomic.Bool)
	busy.Store(true)
	w.patch = func(context.Context, deploy.AppName) (deploy.Deployment, error) {
		if busy.Load() {
			return deploy.Deployment{}, deploy.ErrBusy
		}
		return deploy.Deployment{ID: 1}, nil
	}
	return busy
}
