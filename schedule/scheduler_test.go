package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"teal/deploy"
)

const day = 24 * time.Hour

func TestEachAppIsPatchedOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T12:00:00Z", "blog", "shop")
		w.live(2*day, nil)
		w.want("blog 2026-11-21T03:30:00Z", "shop 2026-11-21T03:30:00Z", "blog 2026-11-22T03:30:00Z", "shop 2026-11-22T03:30:00Z")
	})
}

func TestPatchRunsOnceOnTheDaysThatChangeTheClock(t *testing.T) {
	paris := zone(t, "Europe/Paris")
	for start, want := range map[string]string{
		"2026-03-28T12:00:00Z": "shop 2026-03-29T01:00:00Z", // 03:00 CEST, the first moment after the gap
		"2026-10-24T12:00:00Z": "shop 2026-10-25T00:30:00Z", // 02:30 CEST, the first of the two
	} {
		synctest.Test(t, func(t *testing.T) {
			w := at(t, start, "shop")
			w.live(day, func(c *Config) { c.Default, c.TimeZone = parse(t, "30 2 * * *"), paris })
			w.want(want)
		})
	}
}

func TestSlotsMissedWhileDownAreMadeUpOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T12:00:00Z", "shop")
		w.slots["shop"] = moment(t, "2026-11-15T03:30:00Z")
		w.live(time.Hour, nil)
		w.want("shop 2026-11-20T12:00:00Z")
		w.live(time.Hour, nil)
		w.want("shop 2026-11-20T12:00:00Z")
	})
}

func TestFirstStartAndNewScheduleMakeNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T12:00:00Z", "shop")
		w.apps[0].PatchSchedule = "@monthly"
		w.slots["shop"] = moment(t, "2026-11-01T00:00:00Z")
		w.during(nil, func(*Scheduler) {
			time.Sleep(time.Hour)
			w.mu.Lock()
			w.apps[0].PatchSchedule = "0 11 * * *" // would have run an hour before, and 18 days before that
			w.mu.Unlock()
			time.Sleep(3 * time.Hour)
		})
		w.want()
		w.live(day, nil) // nor does the next start, which knows nothing of the change
		w.want("shop 2026-11-21T11:00:00Z")
	})
}

func TestDelaysAreStableBoundedAndSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var names []string
		for i := range 100 {
			names = append(names, fmt.Sprintf("app-%d", i))
		}
		jitter := func(c *Config) { c.Jitter = 30 * time.Minute }
		w := at(t, "2026-11-20T12:00:00Z", names...)
		w.live(day, jitter)
		slot := moment(t, "2026-11-21T03:30:00Z")
		halves := [2]int{}
		for _, run := range w.runs {
			at := moment(t, strings.Fields(run)[1])
			if at.Before(slot) || at.After(slot.Add(30*time.Minute)) {
				t.Errorf("%s lies outside of the half hour after %s", run, slot)
			}
			halves[min(int(at.Sub(slot)/(15*time.Minute)), 1)]++
		}
		if len(w.runs) != 100 || halves[0] < 30 || halves[1] < 30 {
			t.Errorf("%d runs, %v in the two quarters", len(w.runs), halves)
		}
		again := at(t, "2026-11-21T03:00:00Z", names...)
		again.live(day/2, jitter)
		if !slices.Equal(again.runs, w.runs) {
			t.Error("another scheduler gives other delays")
		}
	})
}

func TestDelayStaysBelowHalfTheTimeToTheNextSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T12:00:00Z", "shop")
		w.apps[0].PatchSchedule = "*/10 * * * *"
		w.live(10*time.Hour, func(c *Config) { c.Jitter = time.Hour })
		if len(w.runs) < 59 || len(w.runs) > 60 {
			t.Errorf("%d runs in ten hours of a slot each ten minutes", len(w.runs))
		}
	})
}

func TestBusyAppIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "blog", "shop")
		tries := 0
		w.patch = func(_ context.Context, app deploy.AppName) (deploy.Deployment, error) {
			if app == "shop" {
				if tries++; tries <= 2 {
					return deploy.Deployment{}, fmt.Errorf("deployment 7 is under way: %w", deploy.ErrBusy)
				}
			}
			return deploy.Deployment{ID: 1}, nil
		}
		w.live(3*time.Hour, nil)
		w.want("blog 2026-11-20T03:30:00Z", "shop 2026-11-20T03:30:00Z", "shop 2026-11-20T03:40:00Z", "shop 2026-11-20T03:50:00Z")
	})
}

func TestAppThatStaysBusyIsLeftUntilItsNextSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "shop")
		w.patch = func(context.Context, deploy.AppName) (deploy.Deployment, error) {
			return deploy.Deployment{}, fmt.Errorf("deployment 7 is under way: %w", deploy.ErrBusy)
		}
		w.live(20*time.Hour, nil)
		if len(w.runs) != 7 || w.runs[6] != "shop 2026-11-20T04:30:00Z" {
			t.Errorf("runs: %q, want the first try and six more, ten minutes apart", w.runs)
		}
		if len(w.events) != 1 {
			t.Errorf("events: %q, want one", w.events)
		}
		w.wantEvent("tried for 1h0m0s, deployment 7 is under way: busy; next Sat 21 Nov 03:30 UTC")
	})
}

func TestRunPutOffIsMadeUpAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "shop")
		w.patch = func(context.Context, deploy.AppName) (deploy.Deployment, error) {
			return deploy.Deployment{}, deploy.ErrBusy
		}
		w.live(35*time.Minute, nil)
		w.patch = func(context.Context, deploy.AppName) (deploy.Deployment, error) { return deploy.Deployment{ID: 1}, nil }
		w.live(time.Hour, nil)
		w.want("shop 2026-11-20T03:30:00Z", "shop 2026-11-20T03:35:00Z")
	})
}

func TestPinnedAppIsToldOfAndLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "shop")
		w.apps[0].PatchPinned = true
		w.patch = func(context.Context, deploy.AppName) (deploy.Deployment, error) {
			return deploy.Deployment{}, fmt.Errorf("a rollback pinned shop until the next push: %w", deploy.ErrNothing)
		}
		w.during(nil, func(s *Scheduler) {
			time.Sleep(2 * time.Hour)
			if next, ok := s.NextRun(t.Context(), w.apps[0]); ok {
				t.Errorf("a pinned app is said to be patched %s", next)
			}
		})
		w.want("shop 2026-11-20T03:30:00Z")
		w.wantEvent("shop: patch run: a rollback pinned shop until the next push")
	})
}

func TestAppThatWasNeverPushedIsNotSpokenOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "shop")
		w.apps[0].Live = 0
		w.live(2*day, nil)
		w.want()
		if len(w.events) != 0 {
			t.Errorf("events: %q", w.events)
		}
	})
}

func TestRunsBeginInTheAppsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T12:00:00Z", "blog", "shop")
		w.slots["shop"] = moment(t, "2026-11-19T03:30:00Z") // one was missed, and has to wait for the night too
		window, err := deploy.ParseWindow("04:00-04:30")
		if err != nil {
			t.Fatal(err)
		}
		w.during(func(c *Config) {
			c.Window = func(_ context.Context, app deploy.App) deploy.Window {
				if app.Name == "shop" {
					return window
				}
				return deploy.Window{}
			}
		}, func(s *Scheduler) {
			time.Sleep(time.Hour)
			if next, _ := s.NextRun(t.Context(), w.apps[1]); !next.Equal(moment(t, "2026-11-21T04:00:00Z")) {
				t.Errorf("the next run is said to be %s", next)
			}
			time.Sleep(2*day - 2*time.Hour)
		})
		w.want("blog 2026-11-21T03:30:00Z", "shop 2026-11-21T04:00:00Z", "blog 2026-11-22T03:30:00Z", "shop 2026-11-22T04:00:00Z")
	})
}

func TestRunThatThePatchOfAnotherPushesOutOfItsWindowWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "blog", "shop")
		w.wait = func(_ context.Context, id deploy.DeploymentID) (deploy.Deployment, error) {
			time.Sleep(time.Hour)
			return deploy.Deployment{ID: id, State: deploy.Live}, nil
		}
		window, err := deploy.ParseWindow("03:00-04:00")
		if err != nil {
			t.Fatal(err)
		}
		w.live(30*time.Hour, func(c *Config) {
			c.Window = func(context.Context, deploy.App) deploy.Window { return window }
		})
		// shop's turn comes when the window has closed; the next night it is made up, once.
		w.want("blog 2026-11-20T03:30:00Z", "shop 2026-11-21T03:00:00Z")
	})
}

func TestOneFailedAppDoesNotStopTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "api", "blog", "cart")
		w.patch = func(_ context.Context, app deploy.AppName) (deploy.Deployment, error) {
			if app == "api" {
				return deploy.Deployment{}, errors.New("database or disk is full")
			}
			return deploy.Deployment{ID: 1}, nil
		}
		w.live(2*time.Hour, nil)
		if len(w.runs) != 3 {
			t.Errorf("runs: %q", w.runs)
		}
		w.wantEvent("api: patch run failed: database or disk is full")
	})
}

func TestPanicInARunIsSurvivedAndNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "api", "blog")
		w.patch = func(_ context.Context, app deploy.AppName) (deploy.Deployment, error) {
			if app == "api" {
				panic("nil map")
			}
			return deploy.Deployment{ID: 1}, nil
		}
		w.live(day, nil)
		w.want("api 2026-11-20T03:30:00Z", "blog 2026-11-20T03:30:00Z")
		w.wantEvent("api: patch run failed: panic: a panic with a string, which may hold a secret and is not shown")
	})
}

func TestRunsNeverOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "api", "blog")
		under := 0
		w.wait = func(ctx context.Context, id deploy.DeploymentID) (deploy.Deployment, error) {
			if under++; under > 1 {
				t.Error("two runs at the same time")
			}
			defer func() { under-- }()
			sleep(ctx, 80*time.Minute)
			return deploy.Deployment{ID: id, State: deploy.Live}, nil
		}
		w.live(4*time.Hour, func(c *Config) { c.Default = parse(t, "*/30 * * * *") })
		// Slots that pass during a run become one, and no app starves.
		w.want("api 2026-11-20T03:30:00Z", "blog 2026-11-20T04:50:00Z", "api 2026-11-20T06:10:00Z")
	})
}

func TestRunThatNeverSettlesGivesTheNextAppItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "api", "blog")
		w.wait = func(ctx context.Context, _ deploy.DeploymentID) (deploy.Deployment, error) {
			<-ctx.Done()
			return deploy.Deployment{}, ctx.Err()
		}
		w.live(4*time.Hour, nil)
		w.want("api 2026-11-20T03:30:00Z", "blog 2026-11-20T05:00:00Z")
	})
}

func TestShutdownInARunIsNoFailureAndIsNotRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "shop")
		w.wait = func(ctx context.Context, _ deploy.DeploymentID) (deploy.Deployment, error) {
			<-ctx.Done()
			return deploy.Deployment{}, ctx.Err()
		}
		w.live(45*time.Minute, nil)
		w.live(time.Hour, nil) // the deployment is the engine's to recover
		w.want("shop 2026-11-20T03:30:00Z")
		if len(w.events) != 0 {
			t.Errorf("events: %q", w.events)
		}
	})
}

func TestOffMeansNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "blog", "shop")
		w.apps[0].PatchSchedule = "off"
		w.during(nil, func(s *Scheduler) {
			time.Sleep(2 * day)
			if _, ok := s.NextRun(t.Context(), w.apps[0]); ok {
				t.Error("an app that is off has a next run")
			}
			if next, ok := s.NextRun(t.Context(), w.apps[1]); !ok || !next.Equal(moment(t, "2026-11-22T03:30:00Z")) {
				t.Errorf("next run of shop: %s", next)
			}
		})
		w.want("shop 2026-11-20T03:30:00Z", "shop 2026-11-21T03:30:00Z")
		w.runs = nil
		w.live(2*day, func(c *Config) { c.Default = parse(t, "off") })
		w.want()
	})
}

func TestClockThatIsSetDoesNotRepeatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "shop")
		w.during(nil, func(*Scheduler) {
			time.Sleep(40 * time.Minute)
			w.jump(-time.Hour) // 02:40 again
			time.Sleep(2 * time.Hour)
			w.jump(time.Hour)
			time.Sleep(time.Hour)
		})
		w.want("shop 2026-11-20T03:30:00Z")
	})
}

func TestClockThatWasYearsAheadDoesNotStopPatching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2031-01-01T00:00:00Z", "shop")
		w.slots["shop"] = moment(t, "2026-11-20T03:30:00Z")
		w.during(nil, func(*Scheduler) {
			time.Sleep(time.Hour) // one run, at a time that was never true
			w.jump(moment(t, "2026-11-21T00:00:00Z").Sub(w.now()))
			time.Sleep(6 * time.Hour)
		})
		w.want("shop 2031-01-01T00:00:00Z", "shop 2026-11-21T03:30:00Z")
	})
}

func TestNothingRunsThatCannotBeMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z", "shop")
		w.during(nil, func(*Scheduler) {
			time.Sleep(10 * time.Minute)
			w.mu.Lock()
			w.broken = errors.New("disk full")
			w.mu.Unlock()
			time.Sleep(2 * time.Hour)
			w.want()
			w.mu.Lock()
			w.broken = nil
			w.mu.Unlock()
			time.Sleep(2 * time.Hour)
		})
		if len(w.runs) != 1 {
			t.Errorf("runs: %q, want one when the store is well again", w.runs)
		}
	})
}

func TestHousekeepingThatWasSleptThroughIsMadeUpOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z")
		var done []string
		daily := func(c *Config) {
			c.Daily = func(context.Context) error {
				done = append(done, w.now().Format("02T15:04"))
				return nil
			}
		}
		w.during(daily, func(*Scheduler) {
			time.Sleep(time.Hour + look/2) // between two looks
			w.jump(3 * day)                // the machine slept
			time.Sleep(25 * time.Hour)
		})
		time.Sleep(day) // Teal is down
		w.live(time.Hour, daily)
		if want := []string{"20T03:10", "23T04:01", "24T04:01", "25T05:10"}; !slices.Equal(done, want) {
			t.Errorf("done at %q, want %q", done, want)
		}
	})
}

func TestHousekeepingIsDoneWithinADayOfAClockThatIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z")
		calls := 0
		w.during(func(c *Config) {
			c.Daily = func(context.Context) error { calls++; return nil }
		}, func(*Scheduler) {
			time.Sleep(time.Hour + look/2)
			w.jump(-365 * day)
			time.Sleep(25 * time.Hour)
		})
		if calls != 2 {
			t.Errorf("housekeeping was done %d times, want 2", calls)
		}
	})
}

func TestHousekeepingIsTriedAgainSoonWhenTheEngineWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z")
		calls := 0
		w.live(12*time.Hour, func(c *Config) {
			c.Daily = func(context.Context) error {
				if calls++; calls <= 2 {
					return fmt.Errorf("refresh: %w", deploy.ErrEngineAway)
				}
				return nil
			}
		})
		if calls != 3 {
			t.Errorf("housekeeping was done %d times, want 3: twice in vain", calls)
		}
	})
}

func TestHousekeepingRunsEachDayAndSurvivesAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := at(t, "2026-11-20T03:00:00Z")
		calls := 0
		w.live(3*day, func(c *Config) {
			c.Daily = func(context.Context) error {
				if calls++; calls == 1 {
					panic("index out of range")
				}
				return errors.New("database is locked")
			}
		})
		if calls != 3 {
			t.Errorf("housekeeping was done %d times in three days", calls)
		}
	})
}
